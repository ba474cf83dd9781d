"""Types of arrays."""

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
