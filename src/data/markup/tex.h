#pragma once
// Sources in TeX as text for training.

#include <string>
#include <string_view>
#include <vector>

namespace kedge::data {

/// As RedPajama and NeMo Curator's ArxivExtractor clean the files of one paper: of each what begins with its first
/// section and ends before appendix and bibliography, without comments; macros without arguments, of all files, written
/// out. Files without a section are left away; the others are joined by newlines.
std::string clean_tex(const std::vector<std::string>& files);

}  // namespace kedge::data
