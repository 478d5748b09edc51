#pragma once
// Values of Arrow's columns as JSON.

#include <arrow/api.h>

#include <string>

namespace kedge::data {

/// Appends one value. Numbers, text, lists, structs and maps (lists of {"key", "value"}) are what they are in JSON;
/// bytes that are no UTF-8 are written in hexadecimal, dates, times and decimals as strings; what JSON cannot say
/// (no number, no value) is null.
void append_value(std::string& out, const arrow::Array& column, int64_t row);

/// Appends a row as an object.
void append_row(std::string& out, const arrow::RecordBatch& batch, int64_t row);

}  // namespace kedge::data
