#include "python/module/table_output.h"

#include <cstring>
#include <limits>

namespace kedge::python {
namespace {

/// What an exported schema points to.
struct SchemaHolder {
  std::shared_ptr<const Table> table;
  std::vector<ArrowSchema> columns;
  std::vector<ArrowSchema*> children;
};

struct ArrayHolder {
  std::shared_ptr<const Table> table;
  std::vector<std::vector<const void*>> buffers;
  std::vector<ArrowArray> columns;
  std::vector<ArrowArray*> children;
  const void* validity = nullptr;  // of the rows: all are there
};

struct StreamHolder {
  std::shared_ptr<const Table> table;
  bool done = false;
};

/// A child that was moved out keeps the holder alive.
template <typename Struct, typename Holder>
void release_shared(Struct* released) {
  delete static_cast<std::shared_ptr<Holder>*>(released->private_data);
  released->release = nullptr;
}

/// The parent's: children that nobody moved out are released with it.
template <typename Struct, typename Holder>
void release_parent(Struct* released) {
  for (int64_t i = 0; i < released->n_children; ++i) {
    Struct* const child = released->children[i];
    if (child->release != nullptr) child->release(child);
  }
  release_shared<Struct, Holder>(released);
}

}  // namespace

OutputColumn::OutputColumn(std::string name, Type type) : name_(std::move(name)), type_(type) {
  if (type_ == Type::text) push<int32_t>(0);
  if (type_ == Type::large_text) push<int64_t>(0);
}

template <typename T>
void OutputColumn::push(T value) {
  const auto* const bytes = reinterpret_cast<const char*>(&value);
  values_.insert(values_.end(), bytes, bytes + sizeof(T));
}

void OutputColumn::push_valid(bool valid) {
  if (length_ % 8 == 0) validity_.push_back(0);
  if (valid) validity_.back() |= static_cast<uint8_t>(1U << (length_ % 8));
  if (!valid) ++nulls_;
  ++length_;
}

void OutputColumn::end_text() {
  if (type_ == Type::text) push(static_cast<uint32_t>(bytes_.size()));
  if (type_ == Type::large_text) push(static_cast<int64_t>(bytes_.size()));
  if (type_ == Type::text && bytes_.size() > std::numeric_limits<int32_t>::max()) widen();
}

void OutputColumn::add_null() {
  push_valid(false);
  if (type_ == Type::boolean && length_ % 8 == 1) values_.push_back(0);
  if (type_ == Type::whole) push<int64_t>(0);
  if (type_ == Type::number) push<double>(0);
  end_text();
}

void OutputColumn::add(bool value) {
  push_valid(true);
  if (length_ % 8 == 1) values_.push_back(0);
  if (value) values_.back() = static_cast<char>(values_.back() | 1 << ((length_ - 1) % 8));
}

void OutputColumn::add(int64_t value) {
  push_valid(true);
  push(value);
}

void OutputColumn::add(double value) {
  push_valid(true);
  push(value);
}

void OutputColumn::add(std::string_view value) {
  push_valid(true);
  bytes_.append(value);
  end_text();
}

void OutputColumn::widen() {
  std::vector<char> narrow;
  narrow.swap(values_);
  for (size_t at = 0; at < narrow.size(); at += sizeof(uint32_t)) {
    uint32_t offset = 0;
    std::memcpy(&offset, narrow.data() + at, sizeof(offset));
    push(static_cast<int64_t>(offset));
  }
  values_.resize(values_.size() - sizeof(int64_t));  // the last one may be beyond 32 bits
  push(static_cast<int64_t>(bytes_.size()));
  type_ = Type::large_text;
}

const char* OutputColumn::format() const {
  switch (type_) {
    case Type::boolean:
      return "b";
    case Type::whole:
      return "l";
    case Type::number:
      return "g";
    case Type::text:
      return "u";
    case Type::large_text:
      return "U";
  }
  return "n";
}

std::vector<const void*> OutputColumn::buffers() const {
  const void* const validity = nulls_ > 0 ? validity_.data() : nullptr;
  if (type_ == Type::text || type_ == Type::large_text) return {validity, values_.data(), bytes_.data()};
  return {validity, values_.data()};
}

void export_schema(const std::shared_ptr<const Table>& table, ArrowSchema& out) {
  auto holder = std::make_shared<SchemaHolder>();
  holder->table = table;
  for (const OutputColumn& column : table->columns()) {
    ArrowSchema child{column.format(), column.name().c_str(), nullptr, kArrowNullable, 0, nullptr, nullptr, nullptr,
                      nullptr};
    child.release = release_shared<ArrowSchema, SchemaHolder>;
    child.private_data = new std::shared_ptr<SchemaHolder>(holder);
    holder->columns.push_back(child);
  }
  for (ArrowSchema& child : holder->columns) holder->children.push_back(&child);
  out = {"+s",
         "",
         nullptr,
         0,
         static_cast<int64_t>(holder->children.size()),
         holder->children.data(),
         nullptr,
         release_parent<ArrowSchema, SchemaHolder>,
         new std::shared_ptr<SchemaHolder>(holder)};
}

void export_array(const std::shared_ptr<const Table>& table, ArrowArray& out) {
  auto holder = std::make_shared<ArrayHolder>();
  holder->table = table;
  for (const OutputColumn& column : table->columns()) holder->buffers.push_back(column.buffers());
  for (size_t i = 0; i < table->columns().size(); ++i) {
    const OutputColumn& column = table->columns()[i];
    auto& buffers = holder->buffers[i];
    ArrowArray child{column.length(),
                     column.null_count(),
                     0,
                     static_cast<int64_t>(buffers.size()),
                     0,
                     buffers.data(),
                     nullptr,
                     nullptr,
                     nullptr,
                     nullptr};
    child.release = release_shared<ArrowArray, ArrayHolder>;
    child.private_data = new std::shared_ptr<ArrayHolder>(holder);
    holder->columns.push_back(child);
  }
  for (ArrowArray& child : holder->columns) holder->children.push_back(&child);
  out = {table->length(),
         0,
         0,
         1,
         static_cast<int64_t>(holder->children.size()),
         &holder->validity,
         holder->children.data(),
         nullptr,
         release_parent<ArrowArray, ArrayHolder>,
         new std::shared_ptr<ArrayHolder>(holder)};
}

void export_stream(const std::shared_ptr<const Table>& table, ArrowArrayStream& out) {
  out.get_schema = [](ArrowArrayStream* stream, ArrowSchema* schema) {
    export_schema(static_cast<StreamHolder*>(stream->private_data)->table, *schema);
    return 0;
  };
  out.get_next = [](ArrowArrayStream* stream, ArrowArray* array) {
    auto& holder = *static_cast<StreamHolder*>(stream->private_data);
    if (holder.done) {
      array->release = nullptr;
    } else {
      export_array(holder.table, *array);
    }
    holder.done = true;
    return 0;
  };
  out.get_last_error = [](ArrowArrayStream*) -> const char* { return nullptr; };
  out.release = [](ArrowArrayStream* stream) {
    delete static_cast<StreamHolder*>(stream->private_data);
    stream->release = nullptr;
  };
  out.private_data = new StreamHolder{table};
}

}  // namespace kedge::python
