//===- jit.h - everything that a program with a compiler in it needs -*- C++ -*-===//
//
// Installed as <attnc/jit.h>; in CMake
//
//   find_package(attnc REQUIRED COMPONENTS jit)
//   target_link_libraries(app PRIVATE attnc::jit)
//
// An engine makes kernels of specs (jit/Engine.h), tensors are views of memory that somebody else owns
// (runtime/Tensor.h) or come from other libraries as DLPack (runtime/DLTensors.h), and packages run on
// devices, on a stream of the caller if they have streams (runtime/Device.h). No MLIR, no LLVM.
// docs/embedding.md goes through it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "jit/Engine.h"
#include "runtime/DLTensors.h"
#include "runtime/Device.h"
#include "runtime/Safetensors.h"
