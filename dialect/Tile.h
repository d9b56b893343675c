//===- Tile.h - the tile dialect --------------------------------*- C++ -*-===//
#pragma once

#include "dialect/Attn.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include "dialect/TileDialect.h.inc"

#include "dialect/TileEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/TileAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialect/TileOps.h.inc"
