"""The pipeline of GitLab, with @WORDS@ that `ci` fills in."""

from __future__ import annotations

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

# May write to the merge request, and runs nothing of it. FAIRLEAD_COMMENT_TOKEN: a masked project token, scope api.
comment:
  stage: comment
  image:
    name: curlimages/curl:8.11.1
    entrypoint: [""]
  timeout: 5m
  needs: [judge]
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event" && $FAIRLEAD_COMMENT_TOKEN
      when: always
  variables:
    GIT_STRATEGY: none
  script:
    - |
      if [ -s fairlead.diff.md ]
      then curl --fail --silent --show-error --output /dev/null --header "PRIVATE-TOKEN: $FAIRLEAD_COMMENT_TOKEN" \\
        --data-urlencode "body@fairlead.diff.md" \\
        "$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
      else echo "The base has no model to compare with."
      fi

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
"""

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
