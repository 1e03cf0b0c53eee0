"""The arithmetic of features: numpy's on the processor, torch's in fp64 on a device.

A matrix is an array, or a tensor of a device: what is done with one is done where it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Matrix = Any  # NDArray, or Tensor in fp64
Device = torch.device | None  # None: numpy on the processor


def placed(array: NDArray[Any], device: Device) -> Matrix:
    """Return an array as it is, or as an fp64 tensor on the device."""
    if device is None:
        return array
    return torch.tensor(array, dtype=torch.float64, device=device)


def plain(matrix: Matrix) -> NDArray[Any]:
    """Return a matrix as an array."""
    array: NDArray[Any] = matrix.cpu().numpy() if isinstance(matrix, Tensor) else matrix
    return array


def wide(matrix: Matrix) -> Matrix:
    """Return a matrix in fp64; an array as a copy."""
    return matrix if isinstance(matrix, Tensor) else matrix.astype(np.float64)


def squared_norms(rows: Matrix) -> Matrix:
    """Return the squared length of each row, in fp64."""
    if isinstance(rows, Tensor):
        return (rows * rows).sum(dim=1)
    return np.einsum("ij,ij->i", rows, rows, dtype=np.float64)


def kth_smallest(matrix: Matrix, k: int) -> Matrix:
    """Return the value of each row that k others precede when it is sorted."""
    if isinstance(matrix, Tensor):
        return matrix.kthvalue(k + 1, dim=1).values
    return np.partition(matrix, k, axis=1)[:, k]


def eigenvalues(matrix: Matrix) -> NDArray[np.float64]:
    """Return the eigenvalues of a symmetric tensor, ascending."""
    return plain(torch.linalg.eigvalsh(matrix))


def eigenvalues_of_product(first: Matrix, second: Matrix) -> NDArray[np.float64] | None:
    """Return the eigenvalues of Σ1 Σ2 of tensors; None where Σ1 has no Cholesky factor."""
    lower, failed = torch.linalg.cholesky_ex(first)
    return None if bool(failed) else eigenvalues(lower.T @ second @ lower)
