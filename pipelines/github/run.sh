#!/usr/bin/env bash
# Run scenarios, or the steps of a release one after the other until one does not pass. Always ends with 0: the exit
# code is an output, so that reports are uploaded before the job ends. Reads HARNESS_* variables; see action.yml.
set -uo pipefail
find reports -name analysis.json 2>/dev/null >"$RUNNER_TEMP/harness-before" # tell.py looks only at bundles that are new

if [ -n "$HARNESS_KUBECONFIG" ]; then
    export KUBECONFIG=$RUNNER_TEMP/harness-kubeconfig
    trap 'rm -f "$KUBECONFIG"' EXIT
    (umask 077 && printf '%s\n' "$HARNESS_KUBECONFIG" >"$KUBECONFIG")
fi
unset HARNESS_KUBECONFIG # the harness and the services that it starts need only the file

read -r -a given <<<"$HARNESS_IMAGE" # one image, or SERVICE=IMAGE for each service that is released together
images=()
for image in "${given[@]}"; do images+=(--image "$image"); done

release() { # one step; the last ones stop at a hold instead of waiting for a person
    case $1:$HARNESS_IMAGE in
    all: | deploy:)
        echo "::error title=canary-harness::expected an image to release, found an empty text"
        return 2
        ;;
    esac
    case $1 in
    all) harness release "${images[@]}" --no-wait ;;
    deploy) harness release deploy "${images[@]}" ;;
    approve) harness release approve --by "$HARNESS_BY" --reason "$HARNESS_REASON" ;;
    reject) harness release reject --by "$HARNESS_BY" --reason "$HARNESS_REASON" ;;
    shift | gate | promote | resume) harness release "$step" --no-wait ;;
    *)
        echo "::error title=canary-harness::unknown step of a release: ${1//[^a-z-]/?}"
        return 2
        ;;
    esac
}

code=0
if [ -n "$HARNESS_IMAGE" ] || [ "$HARNESS_STEPS" != all ]; then
    read -r -a steps <<<"$HARNESS_STEPS"
    [ ${#steps[@]} -gt 0 ] || code=2
    for step in "${steps[@]}"; do
        release "$step" || {
            code=$?
            break
        }
    done
else
    read -r -a words <<<"$HARNESS_SCENARIOS"
    [ -z "$HARNESS_TARGET" ] || words+=(--target "$HARNESS_TARGET")
    [ -z "$HARNESS_SEED" ] || words+=(--seed "$HARNESS_SEED")
    harness run "${words[@]}" -- --junit-xml=verdicts.xml || code=$?
fi
echo "exit-code=$code" >>"$GITHUB_OUTPUT"
