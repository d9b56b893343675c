//===- Package.h - a compiled kernel as one file -----------------*- C++ -*-===//
//
// docs/packages.md has the format byte by byte. A package holds sections; a section has a kind, the
// target it is for, the unit it belongs to, and bytes:
//
//   kind      target           unit    bytes
//   compiler                           "attnc 0.1.0"
//   spec                               MLIR text of the canonical attn.attention; compilers read it again
//   request                            in caches: what was asked for (PackageCache.h)
//   info      sm_80            sm_80   KernelInfo as canonical JSON (KernelInfoJson.h)
//   ptx       sm_80            sm_80   the text that the driver, or the emulator, gets
//   cubin     sm_80, sm_90 ..  sm_80   machine code that ptxas made of that text
//   info      avx2 ..          avx2    KernelInfo of the code for processors
//   object    avx2 ..          avx2    a shared object that needs nothing, for x86-64 Linux
//
// Every bit of the file is under a SHA-256, so that damage is noticed. That is no signature: the
// code in a package can do whatever code can, so packages are to be trusted as programs are.
// Reading and describing one is safe whatever the bytes.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Error.h"
#include "runtime/KernelInfo.h"
#include "runtime/Sha256.h"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attn {

constexpr uint32_t kPackageVersion = 1;

struct Section {
  std::string kind, target, unit;
  std::span<const uint8_t> bytes; ///< lives as long as the package
  Digest digest;

  std::string_view text() const {
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
  }
};

/// A package that has been checked from the first byte to the last. Immutable; copies share the
/// bytes.
class Package {
public:
  /// `isUnreadable` says, where it is given, that an error is one of reading the file, not of its
  /// bytes.
  static Expected<Package> open(const std::string &path, bool *isUnreadable = nullptr);
  /// Copies the bytes. An error says what is wrong with them: foreign, of another version, cut off,
  /// damaged, or put together wrongly.
  static Expected<Package> read(std::span<const uint8_t> bytes);

  const std::vector<Section> &sections() const { return contents->sections; }
  /// Null where there is none. An empty target matches the only section of the kind.
  const Section *find(std::string_view kind, std::string_view target = {}) const;
  /// What launches need to know, of each unit.
  const std::map<std::string, KernelInfo> &units() const { return contents->units; }
  /// Any one of them, for what does not depend on the target: name, types, shapes.
  const KernelInfo &kernel() const { return contents->units.begin()->second; }
  std::string_view compiler() const { return find("compiler")->text(); }
  std::string_view spec() const { return find("spec")->text(); }
  uint64_t size() const { return contents->bytes.size(); }
  /// Of the whole file.
  const Digest &digest() const { return contents->digest; }

private:
  struct Contents {
    std::vector<uint8_t> bytes;
    Digest digest;
    std::vector<Section> sections;
    std::map<std::string, KernelInfo> units;
  };
  explicit Package(std::shared_ptr<const Contents> contents) : contents(std::move(contents)) {}
  friend class PackageReader;
  std::shared_ptr<const Contents> contents;
};

/// Puts a package together. Not thread-safe.
class PackageWriter {
public:
  /// Names are at most 15 characters long; (kind, target) is new.
  void add(std::string_view kind, std::string_view target, std::string_view unit,
           std::string bytes);
  void add(const KernelInfo &info, std::string_view unit);
  /// The sections of a package but those of one kind.
  void addAllBut(std::string_view kind, const Package &package);
  /// The file. Equal sections make equal files.
  std::string finish() const;

private:
  struct Part {
    std::string kind, target, unit, bytes;
  };
  std::vector<Part> parts;
};

/// Writes the right checksums into bytes that may have been changed, so that tests reach what lies
/// behind them. Does nothing where the bytes are too few for that.
void resealPackage(std::span<uint8_t> bytes);

/// Whether a file that begins with these bytes, 8 of them, is meant as a package.
bool beginsLikePackage(std::string_view bytes);

/// The description of a package that attnc_package_json (runtime/attnc.h) documents.
std::string describe(const Package &package);
/// The heads, in order, whose mask is number `mask`.
std::vector<int64_t> headsOfMask(const KernelInfo &info, size_t mask);
/// The mask of a formula in words, or its size where that would be longer than people read.
std::string maskText(const Formula &formula);

} // namespace attn
