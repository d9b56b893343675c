//===- PredicateTerms.h - atoms from free predicates -------------*- C++ -*-===//
#pragma once

#include "dialect/algebra/FormulaBuilder.h"
#include "dialect/algebra/PredicateParser.h"

namespace attn {

/// The formula of a predicate. Comparisons that bound the key in one coordinate, by an expression of
/// the query's coordinate there, become boxes; remainders of k, or of k - q, become residues; equal
/// labels become a label atom. Comparisons of another form are predicate atoms, whose tiles are
/// classified by evaluation. The predicate is for one head (`atHead`).
TermId predicateTerm(FormulaBuilder &builder, const ParsedPredicate &predicate);

} // namespace attn
