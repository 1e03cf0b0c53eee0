"""The papers' own numbers, each with its source and how we know it.

SR3 is Saharia et al., arXiv 2104.07636v2; CDM is Ho et al., arXiv 2106.15282v3; ADM is Dhariwal and
Nichol, arXiv 2105.05233, whose guided rows CDM leaves out. V: read in the paper's text or the
authors' own figures. S: secondary notes only. Numbers known only from memory are not here.
"""

from __future__ import annotations

from analysis.report.results.schema import Published

SR3 = "SR3, arXiv 2104.07636v2"
CDM = "CDM, arXiv 2106.15282v3"
ADM = "ADM, arXiv 2105.05233, Tables 4 to 6"

# quantity -> (name of our metric, factor from our unit to the paper's, what is then added)
MEASURED_AS = {
    "fool rate, Task-1": ("fool rate task1", 100.0, 0.0),
    "fool rate, Task-2": ("fool rate task2", 100.0, 0.0),
    "PSNR": ("psnr", 1.0, 0.0),
    "SSIM": ("ssim", 1.0, 0.0),
    "consistency": ("consistency", 1.0, 0.0),
    "FID": ("fid", 1.0, 0.0),
    "IS": ("inception_score", 1.0, 0.0),
    "top-1 error": ("top1", -1.0, 1.0),  # `metrics` has accuracies
    "top-5 error": ("top5", -1.0, 1.0),
    "CAS top-1": ("cas_top1", 100.0, 0.0),
    "CAS top-5": ("cas_top5", 100.0, 0.0),
}

_Rows = dict[str, dict[str, float | tuple[float, float]]]

_FACES: _Rows = {
    "FSRGAN": {"fool rate, Task-1": 8.9, "fool rate, Task-2": 8.5},
    "PULSE": {"fool rate, Task-1": 24.6, "fool rate, Task-2": 33.7},
    "Regression": {"fool rate, Task-2": 15.3},
    "SR3": {"fool rate, Task-1": 54.1, "fool rate, Task-2": 47.4},
}
_NATURAL: _Rows = {
    "Regression": {"fool rate, Task-1": 16.8, "fool rate, Task-2": 13.4},
    "SR3": {"fool rate, Task-1": 38.8, "fool rate, Task-2": 39.0},
}
_FACE_SCORES: _Rows = {
    "PULSE": {"PSNR": 16.88, "SSIM": 0.44, "consistency": 161.1},
    "FSRGAN": {"PSNR": 23.01, "SSIM": 0.62, "consistency": 33.8},
    "Regression": {"PSNR": 23.96, "SSIM": 0.69, "consistency": 2.71},
    "SR3": {"PSNR": 23.04, "SSIM": 0.65, "consistency": 2.68},
}
_NATURAL_SCORES: _Rows = {
    "Reference": {"FID": 1.9, "IS": 240.8},
    "Regression": {"FID": 15.2, "IS": 121.1, "PSNR": 27.9, "SSIM": 0.801},
    "SR3": {"FID": 5.2, "IS": 180.1, "PSNR": 26.4, "SSIM": 0.762},
}
_ERRORS: _Rows = {
    "baseline": {"top-1 error": 0.252, "top-5 error": 0.080},
    "DRCN": {"top-1 error": 0.477, "top-5 error": 0.242},
    "FSRCNN": {"top-1 error": 0.437, "top-5 error": 0.196},
    "PsyCo": {"top-1 error": 0.454, "top-5 error": 0.224},
    "ENet-E": {"top-1 error": 0.449, "top-5 error": 0.214},
    "RCAN": {"top-1 error": 0.393, "top-5 error": 0.167},
    "Regression": {"top-1 error": 0.383, "top-5 error": 0.173},
    "SR3": {"top-1 error": 0.317, "top-5 error": 0.120},
}
_CONDITIONAL: _Rows = {
    "VQ-VAE-2": {"FID": 38.1},
    "BigGAN, truncation 1.0": {"FID": 7.4},
    "BigGAN, truncation 1.5": {"FID": 11.8},
    "SR3, two stages": {"FID": 11.3},
}
_CDM_32: _Rows = {"CDM": {"FID": 1.11, "FID, validation": 1.99, "IS": (26.01, 0.59)}}
_CDM_64: _Rows = {
    "BigGAN-deep": {"FID": 4.06},
    "Improved DDPM": {"FID": 2.92},
    "ADM": {"FID": 2.07},
    "CDM": {"FID": 1.48, "FID, validation": 2.48, "IS": (67.95, 1.97)},
}
_CDM_128: _Rows = {
    "BigGAN-deep": {"FID": 5.7, "IS": 124.5},
    "BigGAN-deep, max IS": {"FID": 25.0, "IS": 253.0},
    "LOGAN": {"FID": 3.36, "IS": 148.2},
    "ADM": {"FID": 5.91},
    "CDM": {"FID": 3.52, "FID, validation": 3.76, "IS": (128.80, 2.51)},
}
_CDM_256: _Rows = {
    "BigGAN-deep": {"FID": 6.9, "IS": 171.4},
    "BigGAN-deep, max IS": {"FID": 27.0, "IS": 317.0},
    "VQ-VAE-2": {"FID": 31.11},
    "Improved DDPM": {"FID": 12.26},
    "SR3": {"FID": 11.30},
    "ADM": {"FID": 10.94, "IS": 100.98},
    "ADM + upsampling": {"FID": 7.49, "IS": 127.49},
    "CDM": {"FID": 4.88, "FID, validation": 4.63, "IS": (158.71, 2.26)},
}
_ADM_128: _Rows = {"ADM-G": {"FID": 2.97}, "ADM-G, 25 steps": {"FID": 5.98}}
_ADM_256: _Rows = {
    "ADM-G": {"FID": 4.59, "IS": 186.70},
    "ADM-G, 25 steps": {"FID": 5.44},
    "ADM-G + upsampling": {"FID": 3.94, "IS": 215.84},
}
_CAS_128: _Rows = {
    "Real": {"CAS top-1": 68.82, "CAS top-5": 88.79},
    "BigGAN-deep": {"CAS top-1": 40.64, "CAS top-5": 64.44},
    "HAM": {"CAS top-1": 54.05, "CAS top-5": 77.33},
    "CDM": {"CAS top-1": 59.84, "CAS top-5": 81.79},
}
_CAS_256: _Rows = {
    "Real": {"CAS top-1": 73.09, "CAS top-5": 91.47},
    "BigGAN-deep": {"CAS top-1": 42.65, "CAS top-5": 65.92},
    "VQ-VAE-2": {"CAS top-1": 54.83, "CAS top-5": 77.59},
    "CDM": {"CAS top-1": 63.02, "CAS top-5": 84.06},
}
_CASCADE: _Rows = {
    "no cascade": {"FID": 2.35},
    "no conditioning augmentation": {"FID": 6.02},
    "truncated, s = 1001": {"FID": 2.13},
}
_ABLATION: _Rows = {
    "no augmentation": {"FID": 13.1},
    "Gaussian blur": {"FID": 11.3},
    "L2 loss": {"FID": 11.8},
    "L1 loss": {"FID": 11.3},
}

# title, source, rows
_TABLES: tuple[tuple[str, str, _Rows], ...] = (
    ("Faces 16→128: fool rate, %", f"{SR3}, human study", _FACES),
    ("Natural images 64→256: fool rate, %", f"{SR3}, human study", _NATURAL),
    ("Faces 16→128: scores", f"{SR3}, Table 1", _FACE_SCORES),
    ("ImageNet 64→256: scores", f"{SR3}, Table 2", _NATURAL_SCORES),
    ("ImageNet 56→224: classification error", f"{SR3}, Table 3", _ERRORS),
    ("ImageNet 256, class-conditional", f"{SR3}, Table 4", _CONDITIONAL),
    ("ImageNet 256, ablation", f"{SR3}, Table 5", _ABLATION),
    ("ImageNet 32", CDM, _CDM_32),
    ("ImageNet 64", CDM, _CDM_64),
    ("ImageNet 128", CDM, _CDM_128),
    ("ImageNet 256", CDM, _CDM_256),
    ("ImageNet 128, guided by a classifier", ADM, _ADM_128),
    ("ImageNet 256, guided by a classifier", ADM, _ADM_256),
    ("ImageNet 128: classification accuracy score", CDM, _CAS_128),
    ("ImageNet 256: classification accuracy score", CDM, _CAS_256),
    ("ImageNet 16→64 cascade", f"{CDM}, Table 2b", _CASCADE),
)

# Not seen in the paper itself; everything else in the tables was.
_SECONDARY = {
    ("Faces 16→128: fool rate, %", "fool rate, Task-1", "FSRGAN"),
    ("Faces 16→128: fool rate, %", "fool rate, Task-1", "PULSE"),
    ("Faces 16→128: fool rate, %", "fool rate, Task-1", "SR3"),
    ("Natural images 64→256: fool rate, %", "fool rate, Task-1", "Regression"),
    ("Natural images 64→256: fool rate, %", "fool rate, Task-1", "SR3"),
    ("ImageNet 16→64 cascade", "FID", "truncated, s = 1001"),
}


def published_rows() -> tuple[Published, ...]:
    """Return every published number that may be shown, in the papers' order."""
    return tuple(
        _row(title, source, system, quantity, value)
        for title, source, rows in _TABLES
        for system, values in rows.items()
        for quantity, value in values.items()
    )


def _row(
    title: str, source: str, system: str, quantity: str, value: float | tuple[float, float]
) -> Published:
    number, spread = value if isinstance(value, tuple) else (value, None)
    return Published(
        table=title,
        system=system,
        quantity=quantity,
        value=number,
        spread=spread,
        source=source,
        verified="S" if (title, quantity, system) in _SECONDARY else "V",
    )
