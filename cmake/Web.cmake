# The chat page: one self-contained HTML file made from web/ by esbuild.
# Target kedge_web makes ${KEDGE_CHAT_PAGE}; cmake/Embed.cmake says how to link it into a library.
find_program(KEDGE_ESBUILD esbuild)
if(NOT KEDGE_ESBUILD)
  message(FATAL_ERROR "esbuild was not found; the chat page needs it: apt-get install esbuild")
endif()
find_package(Python3 REQUIRED COMPONENTS Interpreter)

set(KEDGE_CHAT_PAGE ${CMAKE_BINARY_DIR}/web/index.html)
file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/src/*)
add_custom_command(
  OUTPUT ${KEDGE_CHAT_PAGE}
  COMMAND ${CMAKE_COMMAND} -E env ESBUILD=${KEDGE_ESBUILD} PYTHON=${Python3_EXECUTABLE}
          ${CMAKE_SOURCE_DIR}/web/build.sh ${KEDGE_CHAT_PAGE}
  DEPENDS ${web_sources} ${CMAKE_SOURCE_DIR}/web/build.sh ${CMAKE_SOURCE_DIR}/web/assemble.py
  COMMENT "Bundling the chat page"
  VERBATIM)
add_custom_target(kedge_web DEPENDS ${KEDGE_CHAT_PAGE})
