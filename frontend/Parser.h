//===- Parser.h - text to syntax ---------------------------------*- C++ -*-===//
//
// Recursive descent with one token of lookahead. Functions that return mlir::LogicalResult or
// FailureOr have reported what went wrong; the parser stops at the first error.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/PredicateParser.h"
#include "frontend/Lexer.h"
#include "frontend/Source.h"
#include "frontend/Syntax.h"

#include "mlir/Support/LLVM.h"

namespace attn {

/// Tokens of a source, and what every grammar rule needs. A copy looks ahead.
class TokenStream {
public:
  explicit TokenStream(const Source &source);

  const Token &peek() const { return token; }
  /// The token after the next one.
  Token peekSecond() const { return Lexer(lexer).next(); }
  Token take();
  bool takeIf(llvm::StringRef spelling);
  /// The text from the next token on.
  llvm::StringRef textAhead() const;
  /// Goes on at `place`, which is not before the next token.
  void jumpTo(const char *place);

  /// "expected `what`, but found ..." at the next token; for an Invalid token its own problem.
  mlir::InFlightDiagnostic unexpected(const llvm::Twine &what) const;
  mlir::LogicalResult expect(llvm::StringRef spelling, const llvm::Twine &where);
  mlir::FailureOr<syntax::Word> expectWord(const llvm::Twine &what);

  /// A number that fits 64 bits, with an optional sign in front.
  mlir::FailureOr<syntax::Integer> parseInteger(const llvm::Twine &what);
  mlir::FailureOr<syntax::Real> parseReal(const llvm::Twine &what);
  /// The value of an Integer or Real token.
  mlir::FailureOr<int64_t> integerOf(const Token &number, bool negative) const;
  mlir::FailureOr<double> realOf(const Token &number) const;

  const Source &source;

private:
  Lexer lexer;
  Token token;
};

// Far beyond any model, and small enough that products with a token count stay in 64 bits.
constexpr int64_t kMaxTokens = int64_t(1) << 40;

mlir::LogicalResult checkBetween(const Source &source, llvm::StringRef what, syntax::Integer value,
                                 int64_t least, int64_t most);

/// Counts one level of nesting while it lives.
class Nesting {
public:
  explicit Nesting(unsigned &depth) : depth(depth) { ++depth; }
  ~Nesting() { --depth; }
  /// Reports an expression nested too deep.
  mlir::LogicalResult check(const Source &source, llvm::SMLoc loc) const;

private:
  unsigned &depth;
};

/// The kernels of the source.
mlir::FailureOr<std::vector<syntax::Kernel>> parseKernels(const Source &source);

/// The inputs and the token layout that the items from here to the end of the kernel declare, for
/// predicates, which may stand before them. What is wrong with a declaration is left to its parser.
PredicateScope declarationsAhead(TokenStream tokens);

/// A mask expression. Predicates speak of what `scope` lists.
mlir::FailureOr<syntax::Mask> parseMask(TokenStream &tokens, const PredicateScope &scope);

/// `[lengths]` or `name[lengths] + name[length]`, after the word `item`.
mlir::FailureOr<syntax::Layout> parseLayout(TokenStream &tokens, llvm::StringRef item);

/// `(s, q, ...) => expression`, after the word `score`.
mlir::FailureOr<syntax::Score> parseScore(TokenStream &tokens, llvm::SMLoc loc);

} // namespace attn
