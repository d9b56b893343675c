//===- TensorCore.h - how a tensor core sums products -----------*- C++ -*-===//
//
// D = A B + C for one 16x8 tile, to the bit as an H200 (sm_90) computes mma.sync: found from the
// outputs of bench/gpu's matrix products on one, which test/emulator/golden keeps. All products of
// an instruction and its accumulator are one sum in fixed point:
//
//   1. A product is exact. Its exponent is the sum of its factors' exponents, its significand that
//      of the product of theirs, so up to 4; subnormal factors have the lowest exponent and are not
//      normalised.
//   2. The largest exponent E of the terms that are not zero, accumulator included, sets the unit
//      2^(E - 25): two bits more than f32 has. Every term is truncated to a multiple of it.
//   3. These integers are added exactly. An exact zero is +0.
//   4. The sum is truncated to f32, and infinite where it reaches 2^128; or rounded to f16, to
//      nearest even.
//   5. NaN (all fraction bits set) of a NaN, of zero times infinity, of infinities of both signs.
//
// M. Fasi, N. Higham, M. Mikaitis, S. Pranesh, "Numerical behavior of NVIDIA tensor cores" (PeerJ
// CS, 2021) describe the same scheme for V100 to A100; those sum fewer products at once and keep
// fewer bits: 4 products and none beyond f32's on V100, 8 and one on A100. Nothing of ours has run
// there, so sm_80 modules are summed as an H200 sums them.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

#include <cstring>
#include <span>

namespace attn::emulator::tensorcore {

constexpr unsigned kRows = 16, kColumns = 8, kPairs = kRows / 2;
constexpr int kUnitBits = 25;

/// Exponents E for which floats and 32-bit integers will do: no product overflows or loses a bit
/// that counts.
constexpr int kLowestFast = -96, kHighestFast = 125;
/// Exponents below mean that a factor is zero: those of zeros are so low that the other factor's
/// does not matter.
constexpr int kZeroExponent = -8192, kAnyZero = kZeroExponent / 2;

// A vector holds rows g and g + 8 of the tile, in turns: 2 x 8 floats.
typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef int16_t Shorts __attribute__((vector_size(64)));
typedef uint64_t TwoWords __attribute__((vector_size(64)));
typedef double Doubles __attribute__((vector_size(128)));
typedef int64_t Longs __attribute__((vector_size(128)));

/// Lanes of x (0 to 15) and y (16 to 31).
#if defined(__clang__) || __GNUC__ >= 12
#define ATTN_SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define ATTN_SHUFFLE(x, y, ...)                                                                    \
  __builtin_shuffle(x, y, attn::emulator::tensorcore::Ints{__VA_ARGS__})
#endif

ATTN_INLINE void load(const void *from, Ints &to) { std::memcpy(&to, from, sizeof(to)); }
template <class V> ATTN_INLINE void save(const V &from, void *to) {
  std::memcpy(to, &from, sizeof(from));
}

/// Biased exponents of two 16-bit values in each word; the highest, of infinities and NaNs, go into
/// `top`.
template <int kFraction>
ATTN_INLINE void exponentsOfHalves(const Ints &words, Ints &exponents, Shorts &top) {
  Shorts magnitude = (Shorts)words & 0x7fff, exponent = magnitude >> kFraction;
  top = exponent > top ? exponent : top;
  exponent = exponent > 1 ? exponent : 1 - Shorts{};
  exponents = (Ints)(exponent | ((magnitude == 0) & static_cast<int16_t>(kZeroExponent)));
}

// The formats of factors. A word holds kPerWord values: values(words, i) are the i-th of each.
struct Halves {
  static constexpr unsigned kPerWord = 2;
  static constexpr int kBias = 15;
  ATTN_INLINE static void values(const Ints &words, unsigned i, Floats &result) {
    Ints bits = words >> int(16 * i);
    Ints magnitude = (bits & 0x7fff) << 13;
    Floats scaled = (Floats)magnitude * 0x1p112f; // see halfToFloat
    Ints number = magnitude >= 0x0f800000 ? magnitude | 0x7f800000 : (Ints)scaled;
    result = (Floats)(number | (bits & 0x8000) << 16);
  }
  ATTN_INLINE static void exponents(const Ints &words, Ints &result, Shorts &top) {
    exponentsOfHalves<10>(words, result, top);
  }
};
struct BFloats {
  static constexpr unsigned kPerWord = 2;
  static constexpr int kBias = 127;
  ATTN_INLINE static void values(const Ints &words, unsigned i, Floats &result) {
    result = (Floats)(i == 0 ? words << 16 : words & -0x10000);
  }
  ATTN_INLINE static void exponents(const Ints &words, Ints &result, Shorts &top) {
    exponentsOfHalves<7>(words, result, top);
  }
};
struct TF32s {
  static constexpr unsigned kPerWord = 1;
  static constexpr int kBias = 127;
  /// The low 13 bits are ignored.
  ATTN_INLINE static void values(const Ints &words, unsigned, Floats &result) {
    result = (Floats)(words & -0x2000);
  }
  /// Where the second value would be, the exponent of a zero.
  ATTN_INLINE static void exponents(const Ints &words, Ints &result, Shorts &top) {
    Ints magnitude = words & 0x7fffe000, exponent = magnitude >> 23;
    Shorts found = (Shorts)exponent;
    top = found > top ? found : top;
    exponent = exponent > 1 ? exponent : 1 - Ints{};
    exponent = magnitude == 0 ? (kZeroExponent & 0xffff) - Ints{} : exponent;
    result = exponent | kZeroExponent << 16;
  }
};

/// The operands of one product whose rows of A have kParts times 16 bytes. The k-th values of row
/// and column may come in any order, if it is the same one: sums and the largest exponent do not
/// depend on it. Here value i of word t of part p is that of step [kPerWord p + i][t].
template <class Format, unsigned kParts> struct Tile {
  static constexpr unsigned kSteps = kParts * Format::kPerWord, kDepth = 4 * kSteps;
  alignas(64) float a[kSteps][kPairs][4][2], b[kSteps][4][kColumns][2], c[kPairs][kColumns][2];
  /// Of the values of a word.
  alignas(64) int32_t exponentsA[kParts][kPairs][4][2], exponentsB[kParts][4][kColumns][2];
  Shorts top = {};

  /// Part `part` of A: 4 words for each of rows 0 to 7, and of rows 8 to 15.
  ATTN_INLINE void setA(unsigned part, const uint32_t *upper, const uint32_t *lower) {
    constexpr unsigned kRowsAtOnce = 4;
    for (unsigned g = 0; g < kPairs; g += kRowsAtOnce) {
      Ints x, y, words[2];
      load(upper + 4 * g, x);
      load(lower + 4 * g, y);
      words[0] = ATTN_SHUFFLE(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      words[1] = ATTN_SHUFFLE(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      for (unsigned i = 0; i < 2; ++i)
        put(words[i], part, &a[0][g + 2 * i][0][0], &exponentsA[0][g + 2 * i][0][0]);
    }
  }
  /// Part `part` of B: 4 words for each of 8 columns.
  ATTN_INLINE void setB(unsigned part, const uint32_t *columns) {
    Ints x, y, words[4];
    load(columns, x);
    load(columns + kLanes / 2, y);
    words[0] = ATTN_SHUFFLE(x, y, 0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
    words[1] = ATTN_SHUFFLE(x, y, 1, 1, 5, 5, 9, 9, 13, 13, 17, 17, 21, 21, 25, 25, 29, 29);
    words[2] = ATTN_SHUFFLE(x, y, 2, 2, 6, 6, 10, 10, 14, 14, 18, 18, 22, 22, 26, 26, 30, 30);
    words[3] = ATTN_SHUFFLE(x, y, 3, 3, 7, 7, 11, 11, 15, 15, 19, 19, 23, 23, 27, 27, 31, 31);
    for (unsigned t = 0; t < 4; ++t)
      put(words[t], part, &b[0][t][0][0], &exponentsB[0][t][0][0]);
  }

private:
  /// Values and exponents of `words`, to their place in part `part` of an array of parts.
  ATTN_INLINE void put(const Ints &words, unsigned part, float *values, int32_t *exponents) {
    constexpr unsigned kPerStep = 2 * 4 * kPairs;
    for (unsigned i = 0; i < Format::kPerWord; ++i) {
      Floats some;
      Format::values(words, i, some);
      save(some, values + kPerStep * (Format::kPerWord * part + i));
    }
    Ints some;
    Format::exponents(words, some, top);
    save(some, exponents + kPerStep * part);
  }
};

/// Both words of `pair` in all lanes, in turns.
template <class Pair> ATTN_INLINE void repeat(const Pair &pair, TwoWords &words) {
  uint64_t both;
  static_assert(sizeof(pair) == sizeof(both));
  std::memcpy(&both, &pair, sizeof(both));
  words = both - TwoWords{};
}

/// E of the elements of kTogether pairs of rows. That of an accumulator which is not finite is
/// above kHighestFast.
template <unsigned kTogether, bool kToHalf, class Format, unsigned kParts>
ATTN_INLINE void largestExponents(const Tile<Format, kParts> &tile, unsigned first, Ints *largest) {
  constexpr int kLowestC = kToHalf ? 127 - 14 : 1; // biased
  Shorts most[kTogether];
  for (Shorts &e : most)
    e = static_cast<int16_t>(2 * kZeroExponent) - Shorts{};
  for (unsigned part = 0; part < kParts; ++part)
    for (unsigned t = 0; t < 4; ++t) {
      Ints ofB;
      load(tile.exponentsB[part][t], ofB);
      for (unsigned g = 0; g < kTogether; ++g) {
        TwoWords ofA;
        repeat(tile.exponentsA[part][first + g][t], ofA);
        Shorts sum = (Shorts)ofB + (Shorts)ofA;
        most[g] = sum > most[g] ? sum : most[g];
      }
    }
  for (unsigned g = 0; g < kTogether; ++g) {
    Ints c;
    load(tile.c[first + g], c);
    Ints magnitude = c & 0x7fffffff, ofC = magnitude >> 23;
    ofC = (ofC > kLowestC ? ofC : kLowestC - Ints{}) - 127;
    ofC = magnitude == 0 ? 2 * kZeroExponent - Ints{} : ofC;
    Ints words = (Ints)most[g], even = words << 16 >> 16, odd = words >> 16;
    Ints products = (even > odd ? even : odd) - 2 * Format::kBias;
    largest[first + g] = products > ofC ? products : ofC;
  }
}

/// Whether a lane is not zero.
ATTN_INLINE bool any(const Ints &lanes) {
  uint64_t words[sizeof(Ints) / 8], all = 0;
  save(lanes, words);
  for (uint64_t word : words)
    all |= word;
  return all != 0;
}

/// `products` and the accumulator, both in units, truncated to f32; or rounded to odd, which f16
/// then rounds as it would the exact sum.
template <bool kToHalf>
ATTN_INLINE void finish(const Ints &products, const Floats &accumulator, const Floats &unit,
                        float (&result)[kColumns][2]) {
  Doubles sum = __builtin_convertvector(products, Doubles) +
                __builtin_convertvector(__builtin_convertvector(accumulator, Ints), Doubles);
  constexpr int64_t kLast = int64_t(1) << 29; // of f32's bits in a double
  Longs bits = (Longs)sum, kept = bits & -kLast;
  if constexpr (kToHalf)
    kept |= (bits != kept) & kLast;
  save(__builtin_convertvector((Doubles)kept, Floats) * unit, result);
}

/// Pairs of rows `first` and those after it, whose elements have these E.
template <unsigned kTogether, bool kToHalf, class Format, unsigned kParts>
ATTN_INLINE void multiplyRows(Tile<Format, kParts> &tile, unsigned first, const Ints *largest) {
  Ints e[kTogether], sums[kTogether] = {};
  Floats scales[kTogether];
  for (unsigned g = 0; g < kTogether; ++g) {
    e[g] = largest[first + g] < kLowestFast ? kLowestFast - Ints{} : largest[first + g];
    scales[g] = (Floats)((127 + kUnitBits - e[g]) << 23);
  }
  for (unsigned step = 0; step < tile.kSteps; ++step)
    for (unsigned t = 0; t < 4; ++t) {
      Ints b;
      load(tile.b[step][t], b);
      for (unsigned g = 0; g < kTogether; ++g) {
        TwoWords a;
        repeat(tile.a[step][first + g][t], a);
        sums[g] += __builtin_convertvector((Floats)a * (Floats)b * scales[g], Ints);
      }
    }
  for (unsigned g = 0; g < kTogether; ++g) {
    Ints c;
    load(tile.c[first + g], c);
    Floats unit = (Floats)((127 - kUnitBits + e[g]) << 23);
    finish<kToHalf>(sums[g], (Floats)c * scales[g], unit, tile.c[first + g]);
  }
}

/// One element of D, whatever its operands, whose format has this exponent bias.
float sumOne(std::span<const float> a, std::span<const float> b, float c, int bias, bool toHalf);

template <bool kToHalf, class Format, unsigned kParts>
void multiplyOneByOne(Tile<Format, kParts> &tile) {
  constexpr unsigned kDepth = Tile<Format, kParts>::kDepth;
  for (unsigned g = 0; g < kPairs; ++g)
    for (unsigned column = 0; column < kColumns; ++column)
      for (unsigned half = 0; half < 2; ++half) {
        float a[kDepth], b[kDepth], &c = tile.c[g][column][half];
        for (unsigned i = 0; i < kDepth; ++i) {
          a[i] = tile.a[i / 4][g][i % 4][half];
          b[i] = tile.b[i / 4][i % 4][column][half];
        }
        c = sumOne(a, b, c, Format::kBias, kToHalf);
      }
}

/// tile.c = a b + c. With kToHalf a c that floatToHalf rounds to the right f16.
template <bool kToHalf, class Format, unsigned kParts>
ATTN_INLINE void multiplyAdd(Tile<Format, kParts> &tile) {
  Ints largest[kPairs];
  for (unsigned first = 0; first < kPairs; first += 4)
    largestExponents<4, kToHalf>(tile, first, largest);
  Ints slow = (Ints)(tile.top > 2 * Format::kBias);
  for (const Ints &e : largest)
    slow |= (e > kHighestFast) | ((e < kLowestFast) & (e > kAnyZero));
  if (any(slow))
    return multiplyOneByOne<kToHalf>(tile);
  for (unsigned first = 0; first < kPairs; first += 2)
    multiplyRows<2, kToHalf>(tile, first, largest);
}

} // namespace attn::emulator::tensorcore
