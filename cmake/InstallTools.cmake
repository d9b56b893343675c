# `cmake --install`, component tools: the programs, and attnc's manual page and completions, which it writes itself.
set(shell ${PROJECT_BINARY_DIR}/shell)
file(MAKE_DIRECTORY ${shell})
add_custom_command(OUTPUT ${shell}/attnc.1 ${shell}/attnc.bash ${shell}/_attnc ${shell}/attnc.fish
  COMMAND attnc man -o ${shell}/attnc.1
  COMMAND attnc completion bash -o ${shell}/attnc.bash
  COMMAND attnc completion zsh -o ${shell}/_attnc
  COMMAND attnc completion fish -o ${shell}/attnc.fish
  DEPENDS attnc VERBATIM)
add_custom_target(attnc-shell ALL DEPENDS ${shell}/attnc.1)

set(programs attnc attnc-opt attnc-lsp-server)
set_target_properties(${programs} PROPERTIES INSTALL_RPATH "${LLVM_LIBRARY_DIR}")
install(TARGETS ${programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
install(FILES ${shell}/attnc.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
set(data ${CMAKE_INSTALL_DATAROOTDIR})
install(FILES ${shell}/attnc.bash DESTINATION ${data}/bash-completion/completions RENAME attnc COMPONENT tools)
install(FILES ${shell}/_attnc DESTINATION ${data}/zsh/site-functions COMPONENT tools)
install(FILES ${shell}/attnc.fish DESTINATION ${data}/fish/vendor_completions.d COMPONENT tools)
