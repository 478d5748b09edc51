# Compiler and linker settings that hold for every target.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_library(kedge_flags INTERFACE)
target_compile_options(kedge_flags INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers
                                             -fno-omit-frame-pointer -march=x86-64-v2)
target_include_directories(kedge_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
if(KEDGE_SANITIZE)
  target_compile_options(kedge_flags INTERFACE -fsanitize=${KEDGE_SANITIZE} -fno-sanitize-recover=all -g1)
  target_link_options(kedge_flags INTERFACE -fsanitize=${KEDGE_SANITIZE})
  target_compile_definitions(kedge_flags INTERFACE XXH_NO_INLINE_HINTS=1)  # -Og cannot do what they demand
  if(KEDGE_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # These look at every use of a pointer and double the time to compile. A null or stray pointer that is read or
    # written ends the program under AddressSanitizer all the same; the fuzz preset (Clang) has all checks.
    target_compile_options(kedge_flags INTERFACE -fno-sanitize=null,alignment,object-size,pointer-overflow,vptr)
  endif()
endif()

find_program(KEDGE_CCACHE ccache)
if(KEDGE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${KEDGE_CCACHE})
endif()
find_program(KEDGE_MOLD mold)
if(KEDGE_MOLD)
  target_link_options(kedge_flags INTERFACE -fuse-ld=mold)
endif()
