# kedge_embed(TARGET FILE file SYMBOL scope::kName [DEPENDS target...])
# Links FILE's bytes into TARGET and defines the symbol. Declare it where it is used:
#   namespace kedge::serve { extern const std::string_view kChatPage; }
# and call this in the CMakeLists.txt that makes TARGET, after it was made:
#   kedge_embed(kedge_serve FILE ${KEDGE_CHAT_PAGE} SYMBOL kedge::serve::kChatPage DEPENDS kedge_web)
# The bytes are read by the assembler (.incbin), so that megabytes cost no compile time, and start on a cache line,
# so that tensors in them can be used in place. FILE may be made by the build: name the target that makes it in
# DEPENDS.
function(kedge_embed target)
  cmake_parse_arguments(ARG "" "FILE;SYMBOL" "DEPENDS" ${ARGN})
  if(NOT ARG_FILE OR NOT ARG_SYMBOL MATCHES "^(.+)::([A-Za-z_0-9]+)$")
    message(FATAL_ERROR "kedge_embed(${target}): needs FILE and SYMBOL scope::kName; found FILE '${ARG_FILE}', "
                        "SYMBOL '${ARG_SYMBOL}'")
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded/${CMAKE_MATCH_2}.cc)
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${ARG_FILE} -DSCOPE=${CMAKE_MATCH_1} -DNAME=${CMAKE_MATCH_2} -DOUTPUT=${source}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${ARG_FILE} ${ARG_DEPENDS} ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    COMMENT "Embedding ${ARG_FILE}"
    VERBATIM)
  # The compiler's dependency scan does not see .incbin.
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${ARG_FILE})
  target_sources(${target} PRIVATE ${source})
endfunction()
