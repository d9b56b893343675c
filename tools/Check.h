//===- Check.h - a kernel's output against the f64 reference -----*- C++ -*-===//
//
// The reference (test/reference) restates masks and attention from their definitions and shares
// nothing with the compiler but the numbers that a mask is written with.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/Attn.h"
#include "runtime/Launch.h"
#include "test/reference/Attention.h"

namespace attn::tools {

/// A mask of the dialect in the reference's words. Connectives are nodes of their own, so that a
/// boolean mask given as data, which the reference has no kind for, may stand anywhere among them.
struct MaskNode {
  enum Kind { Leaf, And, Or, Not, Data } kind = Leaf;
  reference::Mask leaf;
  std::string input; ///< of Data
  std::vector<MaskNode> operands;
};

/// The mask of a head, and the inputs of cumulative lengths where sequences are packed.
struct CheckedMask {
  MaskNode node;
  std::string cuQueries, cuKeys; ///< empty: not packed
};

/// How far one tensor is off, and where it is worst relative to what is allowed there.
struct TensorError {
  double maxError = 0;
  double ratio = 0; ///< of the worst error to what is allowed; above 1 is a failure
  std::vector<int64_t> at;
  double value = 0, expected = 0;
};

struct CheckReport {
  bool ok = true;
  TensorError o, lse;
  int64_t rows = 0, allRows = 0; ///< query rows compared, and all there are
  std::string message;           ///< why it failed, in the reference's words
};

/// Sizes of a launch in the order that the reference wants.
struct CheckSizes {
  int64_t batch = 1, heads = 1, kvHeads = 1, numQueries = 0, numKeys = 0, queryOffset = 0;
  std::vector<int64_t> tokens, kvTokens; ///< layouts; of token groups with room for all of them
};

/// The score of one launch, whose tensors it reads; q is the query's row, without q_offset.
using ScoreOfLaunch =
    std::function<reference::Score(const Bindings &bindings, int64_t queryOffset)>;

/// The token groups of a layout, none for a layout of one; the first length of a group is -1 where it is
/// open, and there are `base` tokens and a multiple of `unit` more.
struct CheckedGroups {
  std::vector<reference::TokenGroup> groups;
  int64_t base = 0, unit = 0;
};

/// What a check needs to know of a kernel. Thread-safe once made.
class Checker {
public:
  /// Reads masks, scale and scores of an attention, which may go away afterwards. An error where
  /// the reference has no words for something in it.
  static Expected<Checker> of(AttentionOp op);

  /// Compares `bindings.o` and `bindings.lse` with the reference; with `expected`, `bindings.o`
  /// with that tensor, in place of the reference's. Where all rows would take too long, evenly
  /// spaced ones are compared, the first and the last among them.
  CheckReport check(const Bindings &bindings, const CheckSizes &sizes, WorkerPool &pool,
                    const TensorView *expected = nullptr) const;

private:
  /// The reference's o and lse, and those of the yardstick for 16-bit types.
  struct Answers {
    reference::Result exact, yardstick;
  };
  Answers answer(const Bindings &bindings, const CheckSizes &sizes, llvm::ArrayRef<int64_t> rows,
                 WorkerPool &pool) const;
  Answers answerOfHead(const Bindings &bindings, const CheckSizes &sizes,
                       llvm::ArrayRef<int64_t> rows, const reference::Context &context, int64_t b,
                       int64_t h) const;
  bool sees(const MaskNode &node, const reference::Context &context, const Bindings &bindings,
            int64_t b, int64_t h, int64_t q, int64_t k) const;

  CheckedGroups groups;
  std::vector<CheckedMask> masks;
  std::vector<int32_t> maskOfHead;
  double scale = 0;
  ScoreOfLaunch score;
};

/// The reference's words for the score region of an attention; empty without one.
Expected<ScoreOfLaunch> scoreOf(AttentionOp op);

} // namespace attn::tools
