#pragma once
// The types of columns, found out from lines of JSON.

#include <simdjson.h>

#include <string>

#include "data/parquet_plugin/parquet_plugin.h"

namespace kedge::data {

/// Widens `type` so that it holds `value` too. What has no common type (a number here, an object there), goes too deep
/// or has too many members becomes ColumnKind::json: text.
void widen(ColumnType& type, const simdjson::dom::element& value);

/// Makes what no file can hold (objects without members) text.
void settle(ColumnType& type);

/// Appends `value` as JSON of that type. REQUIRES: the type was widened by it.
void append_as(std::string& out, const ColumnType& type, const simdjson::dom::element& value);

}  // namespace kedge::data
