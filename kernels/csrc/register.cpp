// Makes the functions of kernels.h into torch's operators, `torch.ops.foolrate_cpu.*`, by torch's
// stable ABI: what is built here loads into every torch from 2.10 on. Everything that comes from
// outside is checked here, so that a wrong tensor is an exception and never a wrong address.

#include <malloc.h>

#include <optional>
#include <string>
#include <tuple>

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "kernels.h"

namespace {
using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using Maybe = std::optional<Tensor>;
using Sizes = std::vector<int64_t>;

constexpr auto kBFloat16 = ScalarType::BFloat16;
constexpr auto kFloat = ScalarType::Float;
constexpr auto kLast = torch::headeronly::MemoryFormat::ChannelsLast;

// Raise unless a tensor is on the CPU and of this kind and number of dimensions.
void check(const Tensor& t, const char* name, ScalarType kind, int64_t dimensions) {
    STD_TORCH_CHECK(t.is_cpu(), name, ": expected on the CPU");
    STD_TORCH_CHECK(t.scalar_type() == kind, name, ": wrong dtype");
    STD_TORCH_CHECK(t.dim() == dimensions, name, ": has ", t.dim(), " dimensions, expected ", dimensions);
}

// Raise unless a tensor is a dense float32 one of so many values.
const float* floats(const Tensor& t, const char* name, int64_t count) {
    check(t, name, kFloat, t.dim());
    STD_TORCH_CHECK(t.is_contiguous(), name, ": expected contiguous");
    STD_TORCH_CHECK(t.numel() == count, name, ": has ", t.numel(), " values, expected ", count);
    return static_cast<const float*>(t.const_data_ptr());
}

const float* floats(const Maybe& t, const char* name, int64_t count) {
    return t ? floats(*t, name, count) : nullptr;
}

uint16_t* halves(const Tensor& t) { return static_cast<uint16_t*>(t.mutable_data_ptr()); }

Tensor empty(const Sizes& sizes, ScalarType kind) { return torch::stable::empty(sizes, kind); }

Tensor empty_images(const Sizes& sizes) {
    return torch::stable::empty(sizes, kBFloat16, std::nullopt, std::nullopt, std::nullopt, kLast);
}

// Raise unless a tensor holds bfloat16 images (N, C, H, W), channels last and without gaps.
void check_images(const Tensor& t, const char* name) {
    check(t, name, kBFloat16, 4);
    const int64_t order[] = {1, 3, 2, 0};
    int64_t step = 1;
    for (int64_t dimension : order) {
        const int64_t size = t.size(dimension);
        STD_TORCH_CHECK(size < 2 || t.stride(dimension) == step, name, ": expected channels last");
        step *= size;
    }
}

// Some channels of a larger bfloat16 map, channels last.
Map map_of(const Tensor& t, const char* name) {
    check(t, name, kBFloat16, 4);
    const int64_t height = t.size(2), width = t.size(3), step = t.stride(3);
    const bool last = t.stride(1) == 1 && t.stride(2) == width * step &&
                      t.stride(0) == height * width * step && step >= t.size(1);
    STD_TORCH_CHECK(last, name, ": expected channels last");
    return {halves(t), t.size(0), height, width, t.size(1), step};
}

// (packed weights, units): (16, K / panel, C / 2, panel, 2) in bfloat16 and nothing for squares of
// 2, (K / 32, 36, C / 2, 32, 2) in int16 and (K / 32, 36, 32) for squares of 4. `backward`: of the
// convolution that takes the gradient back, turned by half a turn, inputs and outputs exchanged.
std::tuple<Tensor, Tensor> conv3x3_pack(const Tensor& weight, int64_t square, bool backward) {
    check(weight, "weight", kFloat, 4);
    STD_TORCH_CHECK(weight.size(2) == 3 && weight.size(3) == 3, "weight: expected of 3x3");
    Weight3x3 w = {static_cast<const float*>(weight.const_data_ptr()),
                   weight.stride(0), weight.stride(1), weight.stride(2), weight.stride(3),
                   weight.size(0), weight.size(1)};
    if (backward)
        w = {w.at + 2 * (w.row + w.column), w.input, w.output, -w.row, -w.column, w.inputs, w.outputs};
    const int64_t outputs = w.outputs, inputs = w.inputs;
    STD_TORCH_CHECK(inputs % 16 == 0, "weight: ", inputs, " inputs, expected a multiple of 16");
    if (square == 4) {
        STD_TORCH_CHECK(outputs % 32 == 0 && inputs <= CONV_MOST, "weight: not for squares of 4");
        Tensor packed = empty({outputs / 32, 36, inputs / 2, 32, 2}, ScalarType::Short);
        Tensor units = empty({outputs / 32, 36, 32}, kFloat);
        pack3x3_squares_of_4(&w, static_cast<int16_t*>(packed.mutable_data_ptr()),
                             static_cast<float*>(units.mutable_data_ptr()));
        return {packed, units};
    }
    STD_TORCH_CHECK(square == 2, "square: ", square, ", expected 2 or 4");
    const int64_t panel = outputs % 32 ? 48 : 32;
    STD_TORCH_CHECK(outputs % panel == 0, "weight: ", outputs, " outputs, expected panels of 32 or 48");
    Tensor packed = empty({16, outputs / panel, inputs / 2, panel, 2}, kBFloat16);
    pack3x3_squares_of_2(&w, halves(packed));
    return {packed, empty({0}, kFloat)};
}

// What a residual (N, K, H, W) or (N, K, H / 2, W / 2) adds to a convolution.
void set_residual(Conv3x3& conv, const Maybe& residual) {
    if (!residual) return;
    check_images(*residual, "residual");
    conv.residual = halves(*residual);
    conv.coarse = residual->size(2) != conv.height;
    const bool fits = residual->size(0) == conv.images && residual->size(1) == conv.outputs &&
                      residual->size(2) == conv.height >> conv.coarse &&
                      residual->size(3) == conv.width >> conv.coarse;
    STD_TORCH_CHECK(fits, "residual: has another shape than the result, and than half of it");
}

// scale * (convolution of x (N, C, H, W) + residual), by weights that conv3x3_pack has made.
Tensor conv3x3_packed(const Tensor& x, const Tensor& weight, const Tensor& units, const Maybe& bias,
                      const Maybe& residual, double scale, bool doubled) {
    check_images(x, "x");
    const bool four = weight.scalar_type() == ScalarType::Short;
    check(weight, "weight", four ? ScalarType::Short : kBFloat16, 5);
    STD_TORCH_CHECK(weight.is_contiguous() && weight.is_cpu(), "weight: expected as packed");
    const int64_t outputs = weight.size(four ? 0 : 1) * weight.size(3), inputs = x.size(1);
    STD_TORCH_CHECK(weight.size(2) * 2 == inputs, "x: ", inputs, " channels, expected ", weight.size(2) * 2);
    Conv3x3 conv = {};
    conv.images = x.size(0), conv.inputs = inputs, conv.outputs = outputs;
    conv.height = x.size(2) << doubled, conv.width = x.size(3) << doubled;
    const int64_t side = four ? 4 : 2;
    STD_TORCH_CHECK(conv.height % side == 0 && conv.width % side == 0 && !(four && doubled),
                    "x: height and width must be multiples of ", side);
    Tensor y = empty_images({x.size(0), outputs, conv.height, conv.width});
    conv.x = halves(x), conv.weight = weight.const_data_ptr(), conv.y = halves(y);
    conv.bias = floats(bias, "bias", outputs);
    conv.units = four ? floats(units, "units", outputs * 36) : nullptr;
    conv.scale = static_cast<float>(scale), conv.doubled = doubled;
    set_residual(conv, residual);
    const int failed = four ? conv3x3_squares_of_4(&conv) : conv3x3_squares_of_2(&conv);
    STD_TORCH_CHECK(!failed, "conv3x3: no working memory for ", inputs, " to ", outputs, " channels");
    return y;
}

// The same from plain weights.
Tensor conv3x3(const Tensor& x, const Tensor& weight, const Maybe& bias, int64_t square) {
    auto [packed, units] = conv3x3_pack(weight, square, false);
    return conv3x3_packed(x, packed, units, bias, std::nullopt, 1.0, false);
}

Norm norm_of(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias,
             const Maybe& modulation) {
    check_images(x, "x");
    const int64_t images = x.size(0), channels = x.size(1), pixels = x.size(2) * x.size(3);
    STD_TORCH_CHECK(channels <= NORM_MOST, "x: ", channels, " channels, expected at most ", NORM_MOST);
    STD_TORCH_CHECK(groups > 0 && channels % groups == 0, "groups: ", groups, " of ", channels, " channels");
    const int64_t rows = modulation ? modulation->size(0) : 0;
    STD_TORCH_CHECK(rows < 2 || rows == images, "modulation: ", rows, " rows, expected 1 or ", images);
    return {halves(x), floats(weight, "weight", channels), floats(bias, "bias", channels),
            floats(modulation, "modulation", rows * 2 * channels), rows, images, pixels, channels,
            groups, nullptr, nullptr};
}

Tensor scratch_of(const Norm& norm) {
    const int64_t chunks = (norm.pixels + NORM_CHUNK - 1) / NORM_CHUNK;
    return empty({norm.images * chunks * 2 * norm.channels}, kFloat);
}

Tensor normed(Norm norm, uint16_t* y, double eps) {
    Tensor stats = empty({norm.images, norm.groups, 2}, kFloat), scratch = scratch_of(norm);
    norm.stats = static_cast<float*>(stats.mutable_data_ptr());
    norm.scratch = static_cast<float*>(scratch.mutable_data_ptr());
    norm_act(&norm, y, eps);
    return stats;
}

std::tuple<Tensor, Tensor> norm_act_new(const Tensor& x, int64_t groups, const Tensor& weight,
                                        const Tensor& bias, const Maybe& modulation, double eps) {
    const Norm norm = norm_of(x, groups, weight, bias, modulation);
    Tensor y = empty_images({x.size(0), x.size(1), x.size(2), x.size(3)});
    Tensor stats = normed(norm, halves(y), eps);
    return {y, stats};
}

void norm_act_in_place(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias,
                       const Maybe& modulation, double eps) {
    normed(norm_of(x, groups, weight, bias, modulation), halves(x), eps);
}

std::tuple<Tensor, Tensor> norm_act_backward(const Tensor& dy, const Tensor& x, int64_t groups,
                                             const Tensor& weight, const Tensor& bias,
                                             const Maybe& modulation, const Tensor& stats) {
    Norm norm = norm_of(x, groups, weight, bias, modulation);
    check_images(dy, "dy");
    for (int64_t d = 0; d < 4; d++) STD_TORCH_CHECK(dy.size(d) == x.size(d), "dy: not of x's shape");
    norm.stats = const_cast<float*>(floats(stats, "stats", norm.images * groups * 2));
    Tensor scratch = scratch_of(norm), sums = empty({norm.images, 2, norm.channels}, kFloat);
    norm.scratch = static_cast<float*>(scratch.mutable_data_ptr());
    Tensor dx = empty_images({x.size(0), x.size(1), x.size(2), x.size(3)});
    norm_act_back(&norm, halves(dy), halves(dx), static_cast<float*>(sums.mutable_data_ptr()));
    return {dx, sums};
}

// Of the shapes in the order of inception.c: rows and columns of the kernel, points of a tile.
constexpr struct {
    int64_t rows, columns, points;
} kShapes[] = {{3, 3, 24}, {5, 5, 49}, {1, 3, 6}, {3, 1, 6}, {1, 7, 11}, {7, 1, 11}};

void inception_conv(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t shape,
                    int64_t top, int64_t left, const Tensor& out) {
    const Map from = map_of(x, "x"), to = map_of(out, "out");
    STD_TORCH_CHECK(shape >= 0 && shape < 6, "shape: ", shape, ", expected 0 to 5");
    const auto kernel = kShapes[shape];
    check(weight, "weight", kBFloat16, 5);
    const int64_t expected = kernel.points * to.channels * from.channels;
    STD_TORCH_CHECK(weight.is_contiguous() && weight.numel() == expected, "weight: not packed for these maps");
    STD_TORCH_CHECK(from.channels % 16 == 0 && from.channels <= CONV_MOST, "x: ", from.channels, " channels");
    STD_TORCH_CHECK(to.channels % 32 == 0, "out: ", to.channels, " channels, expected a multiple of 32");
    const bool fits = from.images == to.images && top >= 0 && left >= 0 &&
                      to.height == from.height + 2 * top - kernel.rows + 1 &&
                      to.width == from.width + 2 * left - kernel.columns + 1;
    STD_TORCH_CHECK(fits, "out: not of the convolution's shape");
    const int failed = inception_convolve(&from, halves(weight), floats(bias, "bias", to.channels), &to,
                                          shape, top, left);
    STD_TORCH_CHECK(!failed, "inception_conv: no working memory");
}

void check_pool(const Map& x, const Map& y) {
    STD_TORCH_CHECK(x.channels % 32 == 0, "x: ", x.channels, " channels, expected a multiple of 32");
    STD_TORCH_CHECK(x.images == y.images && x.channels == y.channels, "out: not for these images");
}

void largest(const Tensor& x, int64_t stride, int64_t pad, const Tensor& out) {
    const Map from = map_of(x, "x"), to = map_of(out, "out");
    check_pool(from, to);
    const bool fits = stride > 0 && pad >= 0 && pad < 2 &&
                      to.height == (from.height + 2 * pad - 3) / stride + 1 &&
                      to.width == (from.width + 2 * pad - 3) / stride + 1;
    STD_TORCH_CHECK(fits, "out: not of the pool's shape");
    pool_largest(&from, &to, stride, pad);
}

void average(const Tensor& x, const Tensor& out) {
    const Map from = map_of(x, "x"), to = map_of(out, "out");
    check_pool(from, to);
    STD_TORCH_CHECK(from.height == to.height && from.width == to.width, "out: not of x's shape");
    pool_average(&from, &to);
}

Tensor resize(const Tensor& pixels, int64_t side) {
    check(pixels, "pixels", ScalarType::Byte, 3);
    const int64_t height = pixels.size(0), width = pixels.size(1);
    STD_TORCH_CHECK(pixels.is_contiguous() && pixels.size(2) == 3 && height > 0 && width > 0 && side > 0,
                    "pixels: expected (H, W, 3) without gaps");
    Tensor made = empty({side, side, 3}, kBFloat16), scratch = empty({3 * width + 9 * side}, kFloat);
    resize_tf1(static_cast<const uint8_t*>(pixels.const_data_ptr()), halves(made), height, width, side,
               static_cast<float*>(scratch.mutable_data_ptr()));
    return made;
}

// Keep freed memory in the process: else each evaluation asks the system for its activations anew.
void keep_memory() {
    mallopt(M_MMAP_THRESHOLD, 1 << 25);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
}
}  // namespace

STABLE_TORCH_LIBRARY(foolrate_cpu, m) {
    m.def("conv3x3_pack(Tensor weight, int square, bool backward=False) -> (Tensor, Tensor)");
    m.def("conv3x3_packed(Tensor x, Tensor weight, Tensor units, Tensor? bias, Tensor? residual, "
          "float scale, bool doubled) -> Tensor");
    m.def("conv3x3(Tensor x, Tensor weight, Tensor? bias, int square) -> Tensor");
    m.def("norm_act(Tensor x, int groups, Tensor weight, Tensor bias, Tensor? modulation, float eps) "
          "-> (Tensor, Tensor)");
    m.def("norm_act_(Tensor(a!) x, int groups, Tensor weight, Tensor bias, Tensor? modulation, "
          "float eps) -> ()");
    m.def("norm_act_backward(Tensor dy, Tensor x, int groups, Tensor weight, Tensor bias, "
          "Tensor? modulation, Tensor stats) -> (Tensor, Tensor)");
    m.def("inception_conv(Tensor x, Tensor weight, Tensor bias, int shape, int top, int left, "
          "Tensor(a!) out) -> ()");
    m.def("pool_largest(Tensor x, int stride, int pad, Tensor(a!) out) -> ()");
    m.def("pool_average(Tensor x, Tensor(a!) out) -> ()");
    m.def("resize_tf1(Tensor pixels, int side) -> Tensor");
    m.def("keep_memory() -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(foolrate_cpu, CPU, m) {
    m.impl("conv3x3_pack", TORCH_BOX(&conv3x3_pack));
    m.impl("conv3x3_packed", TORCH_BOX(&conv3x3_packed));
    m.impl("conv3x3", TORCH_BOX(&conv3x3));
    m.impl("norm_act", TORCH_BOX(&norm_act_new));
    m.impl("norm_act_", TORCH_BOX(&norm_act_in_place));
    m.impl("norm_act_backward", TORCH_BOX(&norm_act_backward));
    m.impl("inception_conv", TORCH_BOX(&inception_conv));
    m.impl("pool_largest", TORCH_BOX(&largest));
    m.impl("pool_average", TORCH_BOX(&average));
    m.impl("resize_tf1", TORCH_BOX(&resize));
}

STABLE_TORCH_LIBRARY_IMPL(foolrate_cpu, CompositeExplicitAutograd, m) {
    m.impl("keep_memory", TORCH_BOX(&keep_memory));
}
