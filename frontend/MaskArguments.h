//===- MaskArguments.h - the arguments of a mask kind ------------*- C++ -*-===//
#pragma once

#include "frontend/Builders.h"

namespace attn {

class MaskArguments;

/// One row for each name that a mask may have.
struct MaskKind {
  llvm::StringRef name;
  llvm::StringRef usage; ///< for notes: "write ..."
  /// Names of the arguments; the first `positional` of them may come without their name.
  llvm::SmallVector<llvm::StringRef> parameters;
  unsigned positional;
  /// A boolean argument that may be written as its bare name.
  llvm::StringRef flag;
  mlir::Attribute (*build)(MaskArguments &);
};
llvm::ArrayRef<MaskKind> maskKinds();

/// The arguments of one mask, matched with the parameters of its kind. Functions that fail, or
/// return a null attribute, have reported what went wrong, at the argument where there is one.
class MaskArguments {
public:
  MaskArguments(const syntax::Mask &mask, const MaskKind &kind, const MaskScope &scope)
      : mask(mask), kind(kind), scope(scope), values(kind.parameters.size()) {}

  mlir::LogicalResult match();
  bool has(llvm::StringRef name) const { return valueOf(name); }
  bool isWord(llvm::StringRef name) const {
    return has(name) && valueOf(name)->kind == syntax::Value::Name;
  }
  mlir::LogicalResult require(llvm::StringRef name) const;

  /// A number, `least` or more; required where no `fallback` is given.
  mlir::FailureOr<int64_t> number(llvm::StringRef name, int64_t least,
                                  std::optional<int64_t> fallback = std::nullopt) const;
  mlir::FailureOr<bool> boolean(llvm::StringRef name, bool fallback) const;
  /// Index of one of `words`; 0 where the argument is absent.
  mlir::FailureOr<size_t> choice(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> words) const;
  /// One number for each dimension; a single one stands for all dimensions. `special` is allowed
  /// though it is less than `least`, and `meaning` says what for.
  mlir::FailureOr<llvm::SmallVector<int64_t>> numbers(llvm::StringRef name, int64_t least,
                                                      int64_t fallback,
                                                      std::optional<int64_t> special = std::nullopt,
                                                      llvm::StringRef meaning = {}) const;
  mlir::FailureOr<llvm::SmallVector<bool>> booleans(llvm::StringRef name, bool fallback) const;
  /// A required square matrix of 0, 1, true and false, row-major.
  mlir::FailureOr<llvm::SmallVector<bool>> squareTable(llvm::StringRef name) const;
  /// A required string.
  mlir::FailureOr<syntax::Word> text(llvm::StringRef name) const;
  /// A required name of a token group.
  mlir::FailureOr<mlir::FlatSymbolRefAttr> group(llvm::StringRef name) const;

  /// A required input of element type i32 or i1 with the extents that `dims` names.
  mlir::FailureOr<mlir::FlatSymbolRefAttr> input(llvm::StringRef name, unsigned bits,
                                                 llvm::ArrayRef<llvm::StringRef> dims,
                                                 bool broadcasts = false) const;
  /// A required i32 input with these extents (ShapedType::kDynamic: any), or with batch and heads,
  /// or 1 in their place, in front of them.
  mlir::FailureOr<mlir::FlatSymbolRefAttr> headInput(llvm::StringRef name,
                                                     llvm::ArrayRef<int64_t> extents) const;

  /// An error at the mask's name: the dialect's checks write into it.
  mlir::InFlightDiagnostic error() const { return scope.source.error(mask.loc); }
  /// An error at an argument that is there.
  mlir::InFlightDiagnostic errorAt(llvm::StringRef name) const {
    return scope.source.error(locOf(name));
  }
  llvm::SMLoc locOf(llvm::StringRef name) const { return valueOf(name)->loc; }
  mlir::InFlightDiagnostic &noteUsage(mlir::InFlightDiagnostic &diag) const {
    diag.attachNote() << "write " << kind.usage;
    return diag;
  }
  mlir::MLIRContext *context() const { return scope.source.getContext(); }

  /// The attribute of these fields, when they fit each other, the layouts and the inputs.
  template <class Attr, class... Fields> mlir::Attribute make(Fields &&...fields) const {
    return check(
        Attr::getChecked([&] { return error(); }, context(), std::forward<Fields>(fields)...));
  }

  /// The same for a kind whose fields always fit each other.
  mlir::Attribute check(mlir::Attribute attr) const;

  const syntax::Mask &mask;
  const MaskKind &kind;
  const MaskScope &scope;

private:
  const syntax::Value *valueOf(llvm::StringRef name) const;
  mlir::LogicalResult set(llvm::StringRef name, const syntax::Argument &argument);
  mlir::LogicalResult unknownName(const syntax::Word &name) const;
  mlir::LogicalResult tooMany(const syntax::Argument &argument) const;
  mlir::InFlightDiagnostic mustBe(llvm::StringRef name, const syntax::Value &value,
                                  const llvm::Twine &what) const;
  mlir::FailureOr<int64_t> toNumber(llvm::StringRef name, const syntax::Value &value, int64_t least,
                                    llvm::StringRef orElse = {}) const;
  mlir::FailureOr<bool> toBoolean(llvm::StringRef name, const syntax::Value &value) const;
  mlir::FailureOr<bool> toEntry(llvm::StringRef name, const syntax::Value &value) const;
  template <class T, class Convert>
  mlir::FailureOr<llvm::SmallVector<T>> perDimension(llvm::StringRef name, T fallback,
                                                     Convert convert) const;
  mlir::FailureOr<mlir::RankedTensorType> declaredType(llvm::StringRef name,
                                                       llvm::StringRef shape) const;

  llvm::SmallVector<const syntax::Argument *> values; // one for each parameter of the kind
};

} // namespace attn
