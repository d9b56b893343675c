//===- Error.h - errors as values -------------------------------*- C++ -*-===//
//
// What can fail because of the user's input or the machine returns Expected<T>; nothing here
// throws, and the header works under -fno-exceptions and -fno-rtti. A message starts in lower case,
// has no full stop, and quotes names and values; notes say where a value came from or what to write
// instead.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <fmt/core.h>

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace attn {

struct Error {
  std::string message;
  std::vector<std::string> notes;

  /// Appends a note: `return makeError(...).withNote(...)`.
  template <class... Args> Error withNote(fmt::format_string<Args...> format, Args &&...args) && {
    notes.push_back(fmt::format(format, std::forward<Args>(args)...));
    return std::move(*this);
  }
};

template <class... Args> Error makeError(fmt::format_string<Args...> format, Args &&...args) {
  return Error{fmt::format(format, std::forward<Args>(args)...), {}};
}

/// A value, or the error that stands in its place. Reading the one that is not there is a bug of
/// the caller. After takeError() the object still holds an error, an empty one.
template <class T> class [[nodiscard]] Expected {
public:
  Expected(T value) : state(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : state(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state.index() == 0; }

  T &operator*() & { return value(); }
  const T &operator*() const & { return const_cast<Expected *>(this)->value(); }
  T &&operator*() && { return std::move(value()); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &**this; }

  const Error &error() const { return const_cast<Expected *>(this)->held(); }
  Error takeError() { return std::move(held()); }

private:
  T &value() {
    assert(state.index() == 0 && "an Expected is read only after it was found to hold a value");
    return *std::get_if<0>(&state);
  }
  Error &held() {
    assert(state.index() == 1 && "the error of an Expected is read only where it holds one");
    return *std::get_if<1>(&state);
  }

  std::variant<T, Error> state;
};

/// Success, which a default-constructed object is, or an error.
template <> class [[nodiscard]] Expected<void> {
public:
  Expected() = default;
  Expected(Error error) : state(std::move(error)) {}

  explicit operator bool() const { return !state; }

  const Error &error() const {
    assert(state && "the error of an Expected is read only where it holds one");
    return *state;
  }
  Error takeError() {
    assert(state && "the error of an Expected is read only where it holds one");
    return std::move(*state);
  }

private:
  std::optional<Error> state;
};
using Status = Expected<void>;

} // namespace attn
