# complete.bash SCRIPT WORD...: what bash would offer for the last word, one a line. Words are broken at '=' as
# interactive bash does, unless KEEP is set.
source "$1" || exit
shift
COMP_WORDS=()
for word in attnc "$@"; do
  if [[ -z ${KEEP:-} && $word == --*=* ]]; then
    COMP_WORDS+=("${word%%=*}" '=')
    [[ -z ${word#*=} ]] || COMP_WORDS+=("${word#*=}")
  else
    COMP_WORDS+=("$word")
  fi
done
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_attnc
printf '%s\n' "${COMPREPLY[@]}"
