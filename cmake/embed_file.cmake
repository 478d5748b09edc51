# cmake -DINPUT=file -DSCOPE=a::b -DNAME=kName -DOUTPUT=kName.cc -P embed_file.cmake
# Writes a C++ source whose symbol SCOPE::NAME is a view of INPUT's bytes; used by kedge_embed.
file(SIZE ${INPUT} size)
string(REPLACE "::" "_" label "kedge_embedded_${SCOPE}_${NAME}")
# The size is written here rather than taken from a second label, so that the view is a constant and is there before
# any initialiser runs.
file(WRITE ${OUTPUT} "// Made by cmake/embed_file.cmake.
#include <string_view>

asm(R\"(
  .pushsection .rodata
  .balign 64
  .global ${label}
  .hidden ${label}
${label}:
  .incbin \"${INPUT}\", 0, ${size}
  .byte 0
  .popsection
)\");

extern \"C\" __attribute__((visibility(\"hidden\"))) const char ${label}[];

namespace ${SCOPE} {
extern const std::string_view ${NAME};
constinit const std::string_view ${NAME}{${label}, ${size}};
}  // namespace ${SCOPE}
")
