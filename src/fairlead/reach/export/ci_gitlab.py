"""The pipeline of GitLab, with @WORDS@ that `ci` fills in."""

from __future__ import annotations

from textwrap import indent

NOTE = """\
import json, os, pathlib, ssl, sys, urllib.error, urllib.request

MARK = "<!-- fairlead: @MODEL@ -->"
diff = pathlib.Path("fairlead.diff.md")
if not diff.is_file() or not diff.stat().st_size:
    print("The base has no model to compare with.")
    sys.exit(0)
text = diff.read_text("utf-8", "replace")[:60000]
token = os.environ.get("FAIRLEAD_COMMENT_TOKEN", "")
if not token:
    print(text, "Not posted: there is no variable FAIRLEAD_COMMENT_TOKEN here.", sep="\\n")
    sys.exit(0)
api = os.environ["CI_API_V4_URL"]
notes = f"{api}/projects/{os.environ['CI_PROJECT_ID']}/merge_requests/{os.environ['CI_MERGE_REQUEST_IID']}/notes"


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # whoever is elsewhere does not get the token


trusted = ssl.create_default_context(cafile=os.environ.get("CI_SERVER_TLS_CA_FILE") or None)
opened = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=trusted))


def asked(url, method="GET", body=None):
    data = None if body is None else json.dumps({"body": body}).encode()
    headers = {"PRIVATE-TOKEN": token, "Content-Type": "application/json"}
    with opened.open(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
        return json.load(answer), answer.headers.get("x-next-page")


def earlier():
    # Of the token's own user: others' notes may hold the mark, too, and may not be changed.
    me, page = asked(f"{api}/user")[0]["id"], "1"
    for _ in range(50):
        found, page = asked(f"{notes}?sort=desc&order_by=created_at&per_page=100&page={page}")
        for note in found:
            if note["author"]["id"] == me and note["body"].startswith(MARK):
                return note["id"]
        if not page:
            break
    return None


def posted(body):
    known = earlier()
    if known is not None:
        try:
            asked(f"{notes}/{known}", "PUT", body)
            return f"Note {known} is up to date."
        except urllib.error.HTTPError as refused:
            if refused.code != 404:  # else somebody removed it meanwhile
                raise
    return f"Note {asked(notes, 'POST', body)[0]['id']} is new."


try:
    print(posted(f"{MARK}\\n{text}"))
except (OSError, ValueError, LookupError, TypeError) as why:
    print(text)
    sys.exit(f"Not posted: {why}. Does the token have the scope api, and is it in force?")
"""
"""What the job runs to keep one note a model, brought up to date; Python's own library alone."""

PIPELINE = """\
# Written by `fairlead export ci`; every line of a script is a verb that does the same at a shell.
variables:
  GIT_DEPTH: "0"

stages: [judge, comment, register, release]

workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == "@BRANCH@"
    - if: $CI_COMMIT_TAG =~ /^@PATTERN@\\/v/

# Code that nobody has read yet: no protected variables, no home but one that ends with the job.
judge:
  stage: judge
  image: python:@PYTHON@-slim-bookworm
  timeout: 1h
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  variables:
    FAIRLEAD_HOME: $CI_PROJECT_DIR.tmp/fairlead
    # Whatever the project says: its state, stores and registry are none of this job's.
    FAIRLEAD_STATE__URL: ""
    FAIRLEAD_STORES__BUNDLES: ""
    FAIRLEAD_STORES__RECORDS: ""
    FAIRLEAD_REGISTRY__MLFLOW: ""
  before_script:
    - apt-get update && apt-get install --yes --no-install-recommends git
    - python -m pip install "fairlead[@EXTRAS@]==@FAIRLEAD@"
  script:
    # The base is trained as well, so that what the change does can be told from what training anew does.
    - |
      if git worktree add --detach "$FAIRLEAD_HOME.base" "$CI_MERGE_REQUEST_DIFF_BASE_SHA" &&
        fairlead -C "$FAIRLEAD_HOME.base/@FOLDER@" train &&
        fairlead -C "$FAIRLEAD_HOME.base/@FOLDER@" evaluate &&
        fairlead -C "$FAIRLEAD_HOME.base/@FOLDER@" register &&
        fairlead -C "$FAIRLEAD_HOME.base/@FOLDER@" deploy
      then base=yes
      else base=no; echo "The base has no model that passes its gate: there is nothing to compare with."
      fi
    - cd "$CI_PROJECT_DIR/@FOLDER@"
    - fairlead train
    - if [ "$base" = yes ]; then fairlead diff champion latest > "$CI_PROJECT_DIR/fairlead.diff.md"; fi
    - if [ -e tests/behaviour.toml ] || [ -e tests/behaviour.py ]; then fairlead test latest; fi
    - fairlead evaluate latest
  artifacts:
    when: always
    expire_in: 30 days
    paths: [fairlead.diff.md]

# May write to the merge request, and runs nothing of it. FAIRLEAD_COMMENT_TOKEN: a masked project token, scope api, not
# protected, as the branches of merge requests are not. Without it the diff is printed here.
comment:
  stage: comment
  image: python:@PYTHON@-slim-bookworm
  timeout: 5m
  needs: [judge]
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
      when: always
  variables:
    GIT_STRATEGY: none
  script:
    - |
      python - <<'END'
@NOTE@
      END

# What was merged, made and judged where the home lies (the runner's variable FAIRLEAD_HOME). Nothing is deployed here.
register:
  stage: register
  tags: [@TAGS@]
  timeout: 2h
  resource_group: fairlead-@NAME@
  rules:
    - if: $CI_COMMIT_BRANCH == "@BRANCH@"
@LOGIN@  script:
    - cd "$CI_PROJECT_DIR/@FOLDER@"
    - fairlead train
    - if [ -e tests/behaviour.toml ] || [ -e tests/behaviour.py ]; then fairlead test latest; fi
    - fairlead evaluate latest
    - fairlead register latest

# A tag as @MODEL@/v3 releases version 3. Protect tags of this form: who may push them may release.
release:
  stage: release
  tags: [@TAGS@]
  timeout: 30m
  resource_group: fairlead-@NAME@
  environment:
    name: fairlead-@NAME@
  rules:
    - if: $CI_COMMIT_TAG =~ /^@PATTERN@\\/v/
@LOGIN@  script:
    - cd "$CI_PROJECT_DIR/@FOLDER@"
    - fairlead release --from-git --tag "$CI_COMMIT_TAG"
""".replace("@NOTE@\n", indent(NOTE, " " * 6))

CLOUDS: dict[str, dict[str, str]] = {
    "none": {"LOGIN": ""},
    "aws": {
        "LOGIN": """\
  variables:
    AWS_ROLE_ARN: $FAIRLEAD_AWS_ROLE
    AWS_WEB_IDENTITY_TOKEN_FILE: $CI_PROJECT_DIR.tmp/fairlead-token
  id_tokens:
    FAIRLEAD_TOKEN:
      aud: sts.amazonaws.com
  before_script:
    - umask 077 && printf '%s' "$FAIRLEAD_TOKEN" > "$AWS_WEB_IDENTITY_TOKEN_FILE"
""",
    },
    "azure": {
        "LOGIN": """\
  variables:
    AZURE_CLIENT_ID: $FAIRLEAD_AZURE_CLIENT
    AZURE_TENANT_ID: $FAIRLEAD_AZURE_TENANT
    AZURE_FEDERATED_TOKEN_FILE: $CI_PROJECT_DIR.tmp/fairlead-token
  id_tokens:
    FAIRLEAD_TOKEN:
      aud: api://AzureADTokenExchange
  before_script:
    - umask 077 && printf '%s' "$FAIRLEAD_TOKEN" > "$AZURE_FEDERATED_TOKEN_FILE"
""",
    },
    "gcp": {
        "LOGIN": """\
  variables:
    GOOGLE_APPLICATION_CREDENTIALS: $CI_PROJECT_DIR.tmp/fairlead-credentials.json
  id_tokens:
    FAIRLEAD_TOKEN:
      aud: $FAIRLEAD_GCP_PROVIDER
  before_script:
    - umask 077 && printf '%s' "$FAIRLEAD_TOKEN" > "$CI_PROJECT_DIR.tmp/fairlead-token"
    - |
      cat > "$GOOGLE_APPLICATION_CREDENTIALS" <<EOF
      {"type": "external_account", "audience": "$FAIRLEAD_GCP_PROVIDER",
       "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
       "service_account_impersonation_url":
         "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/$FAIRLEAD_GCP_ACCOUNT:generateAccessToken",
       "credential_source": {"file": "$CI_PROJECT_DIR.tmp/fairlead-token"}}
      EOF
""",
    },
}
"""By cloud: how a job trades its token for credentials of the cloud."""
