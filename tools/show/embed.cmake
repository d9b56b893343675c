# cmake -D FOLDER=tools/show -D HEAD=FILE -D TAIL=FILE -P embed.cmake
#
# Puts page.html, its style and its scripts together and writes what comes before {{data}} and what
# after it as two C++ string literals.
file(READ ${FOLDER}/page.html page)
foreach(part page.css rows.js why.js views.js paint.js page.js)
  file(READ ${FOLDER}/${part} text)
  string(REPLACE "{{${part}}}" "${text}" page "${page}")
endforeach()
string(FIND "${page}" "{{data}}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${FOLDER}/page.html has no {{data}}")
endif()
string(SUBSTRING "${page}" 0 ${at} head)
math(EXPR at "${at} + 8")
string(SUBSTRING "${page}" ${at} -1 tail)
file(WRITE ${HEAD} "R\"page(${head})page\"")
file(WRITE ${TAIL} "R\"page(${tail})page\"")
