"""The workflow of GitHub Actions, with @WORDS@ that `ci` fills in.

Permissions are nothing by default and per job what it needs. What comes from outside (names of branches, tags, commits)
reaches a script by its environment, never by its text. Credentials are tokens of minutes, by OpenID Connect.
"""

from __future__ import annotations

WORKFLOW = """\
# Written by `fairlead export ci`; every step is a verb that does the same at a shell.
name: "fairlead: @MODEL@"

on:
  pull_request:
    branches: ["@BRANCH@"]
  push:
    branches: ["@BRANCH@"]
    tags: ["@MODEL@/v*"]

permissions: {}

defaults:
  run:
    shell: bash
    working-directory: "@FOLDER@"

jobs:
  # Code that nobody has read yet: no secrets, no home but one that ends with the job.
  judge:
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      contents: read
    outputs:
      diff: ${{ steps.diff.outcome }}
    env:
      BASE: ${{ github.event.pull_request.base.sha }}
      # Whatever the project says: its state, stores and registry are none of this job's.
      FAIRLEAD_STATE__URL: ""
      FAIRLEAD_STORES__BUNDLES: ""
      FAIRLEAD_STORES__RECORDS: ""
      FAIRLEAD_REGISTRY__MLFLOW: ""
    steps:
      - uses: actions/checkout@v4.2.2
        with:
          fetch-depth: 0
          persist-credentials: false
      - uses: actions/setup-python@v5.3.0
        with:
          python-version: "@PYTHON@"
      - name: home
        run: echo "FAIRLEAD_HOME=$RUNNER_TEMP/fairlead" >> "$GITHUB_ENV"
      - name: install
        run: python -m pip install "fairlead[@EXTRAS@]==@FAIRLEAD@"
      # The base is trained as well, so that what the change does can be told from what training anew does.
      - name: base
        id: base
        continue-on-error: true
        run: |
          git worktree add --detach "$FAIRLEAD_HOME.base" "$BASE"
          fairlead -C "$FAIRLEAD_HOME.base/@FOLDER@" train
          fairlead -C "$FAIRLEAD_HOME.base/@FOLDER@" evaluate
          fairlead -C "$FAIRLEAD_HOME.base/@FOLDER@" register
          fairlead -C "$FAIRLEAD_HOME.base/@FOLDER@" deploy
      - name: train
        id: train
        run: fairlead train
      - name: test
        run: if [ -e tests/behaviour.toml ] || [ -e tests/behaviour.py ]; then fairlead test latest; fi
      - name: evaluate
        if: ${{ !cancelled() && steps.train.outcome == 'success' }}
        run: fairlead evaluate latest
      - name: diff
        id: diff
        if: ${{ !cancelled() && steps.train.outcome == 'success' && steps.base.outcome == 'success' }}
        run: fairlead diff champion latest > "$FAIRLEAD_HOME.diff.md"
      - uses: actions/upload-artifact@v4.4.3
        if: ${{ !cancelled() && steps.diff.outcome == 'success' }}
        with:
          name: diff-@NAME@
          path: ${{ env.FAIRLEAD_HOME }}.diff.md
          retention-days: 30

  # May write to the pull request, and runs nothing of it.
  comment:
    needs: judge
    if: >-
      !cancelled() && needs.judge.outputs.diff == 'success'
      && github.event.pull_request.head.repo.full_name == github.repository
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      pull-requests: write
    defaults:
      run:
        working-directory: .
    steps:
      - uses: actions/download-artifact@v4.1.8
        with:
          name: diff-@NAME@
      - name: comment
        env:
          GH_TOKEN: ${{ github.token }}
          GH_REPO: ${{ github.repository }}
          NUMBER: ${{ github.event.pull_request.number }}
        run: |
          # One comment a model, which is brought up to date; GitHub takes 65,536 characters.
          mark='<!-- fairlead: @MODEL@ -->'
          { echo "$mark"; head --bytes 60000 fairlead.diff.md; } > comment.md
          found=$(gh api --paginate "repos/$GH_REPO/issues/$NUMBER/comments" \\
            --jq ".[] | select(.body | startswith(\\"$mark\\")) | .id" | tail --lines 1)
          if [ -n "$found" ]
          then gh api --method PATCH "repos/$GH_REPO/issues/comments/$found" --field body=@comment.md > comment.json
          else gh pr comment "$NUMBER" --body-file comment.md
          fi

  # What was merged, made and judged where the home lies. Nothing is deployed here.
  register:
    if: github.event_name == 'push' && github.ref == 'refs/heads/@BRANCH@'
    runs-on: [@LABELS@]
    timeout-minutes: 120
    concurrency: fairlead-@NAME@
    permissions:
      contents: read@TOKEN@
    env:
      FAIRLEAD_HOME: ${{ vars.FAIRLEAD_HOME }}
    steps:
      - uses: actions/checkout@v4.2.2
        with:
          persist-credentials: false
@LOGIN@      - name: train
        run: fairlead train
      - name: test
        run: if [ -e tests/behaviour.toml ] || [ -e tests/behaviour.py ]; then fairlead test latest; fi
      - name: evaluate
        run: fairlead evaluate latest
      - name: register
        run: fairlead register latest

  # A tag as @MODEL@/v3 releases version 3. Who may push such tags and approve the environment is up to the repository.
  release:
    if: github.event_name == 'push' && startsWith(github.ref, 'refs/tags/@MODEL@/v')
    runs-on: [@LABELS@]
    timeout-minutes: 30
    concurrency: fairlead-@NAME@
    environment: fairlead-@NAME@
    permissions:
      contents: read@TOKEN@
    env:
      FAIRLEAD_HOME: ${{ vars.FAIRLEAD_HOME }}
      TAG: ${{ github.ref_name }}
    steps:
      - uses: actions/checkout@v4.2.2
        with:
          fetch-depth: 0
      # A checkout of a tag leaves the commit where an annotated tag was, and with it the signature.
      - name: tag
        run: git fetch --force origin "refs/tags/$TAG:refs/tags/$TAG"
@LOGIN@      - name: release
        run: fairlead release --from-git --tag "$TAG"
"""

_OIDC = "\n      id-token: write"

CLOUDS: dict[str, dict[str, str]] = {
    "none": {"TOKEN": "", "LOGIN": ""},
    "aws": {
        "TOKEN": _OIDC,
        "LOGIN": """\
      - uses: aws-actions/configure-aws-credentials@v4.0.2
        with:
          role-to-assume: ${{ vars.FAIRLEAD_AWS_ROLE }}
          aws-region: ${{ vars.FAIRLEAD_AWS_REGION }}
""",
    },
    "gcp": {
        "TOKEN": _OIDC,
        "LOGIN": """\
      - uses: google-github-actions/auth@v2.1.7
        with:
          workload_identity_provider: ${{ vars.FAIRLEAD_GCP_PROVIDER }}
          service_account: ${{ vars.FAIRLEAD_GCP_ACCOUNT }}
""",
    },
    "azure": {
        "TOKEN": _OIDC,
        "LOGIN": """\
      - uses: azure/login@v2.2.0
        with:
          client-id: ${{ vars.FAIRLEAD_AZURE_CLIENT }}
          tenant-id: ${{ vars.FAIRLEAD_AZURE_TENANT }}
          subscription-id: ${{ vars.FAIRLEAD_AZURE_SUBSCRIPTION }}
""",
    },
}
"""By cloud: what a job may ask for, and the step that trades the job's token for credentials of the cloud."""
