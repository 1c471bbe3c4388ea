//! Repositories whose workflows have faults.

use super::repositories::found;

#[test]
fn workflows_that_do_not_start() {
    let files = "\
== .github/workflows/a.yml
on: push
jobs:
  build:
    runs-on: ubuntu-24.04
     steps: []
== .github/workflows/b.yml
permissions: {}
jobs:
  one:
    steps:
      - name: nothing
  two:
    runs-on: ubuntu-24.04
    needs: [one, three]
    runs-on: ubuntu-22.04
== .github/workflows/c.yml
on: {push: }
permissions: {}
== .github/workflows/d.yml
- on
";
    assert_eq!(
        found(files),
        [
            "error workflows .github/workflows/a.yml:5:11",
            "error workflows .github/workflows/b.yml:1:1",
            "error workflows .github/workflows/b.yml:3:3",
            "error workflows .github/workflows/b.yml:5:9",
            "error workflows .github/workflows/b.yml:8:18",
            "error workflows .github/workflows/b.yml:9:5",
            "error workflows .github/workflows/c.yml:1:1",
            "error workflows .github/workflows/d.yml:1:1",
        ]
    );
}

#[test]
fn tokens_that_may_do_everything_and_actions_that_can_be_moved() {
    let files = "\
== .github/workflows/a.yml
on: push
jobs:
  safe:
    permissions: {contents: read}
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v5
      - uses: somebody/thing@main
      - uses: somebody/thing@08c6903
      - uses: docker://alpine:3
      - uses: somebody/thing
      - uses: \"somebody/thing/below@08c6903cd8c0fde910a37f88322edcfb5dd907a8\"
  open:
    uses: acme/shared/.github/workflows/x.yml@main
== .github/workflows/b.yml
on: push
permissions: write-all
jobs:
  build:
    runs-on: ubuntu-24.04
    permissions:   write-all
    steps: [{run: make}]
== .github/actions/setup/action.yml
runs:
  using: composite
  steps:
    - uses: other/tool@v1
";
    assert_eq!(
        found(files),
        [
            "warning workflow-permissions .github/workflows/a.yml:13:3",
            "warning workflow-permissions .github/workflows/b.yml:2:14",
            "warning workflow-permissions .github/workflows/b.yml:6:20",
            "warning pinned-actions .github/actions/setup/action.yml:4:13",
            "notice pinned-actions .github/workflows/a.yml:7:15",
            "warning pinned-actions .github/workflows/a.yml:8:15",
            "warning pinned-actions .github/workflows/a.yml:9:15",
            "notice pinned-actions .github/workflows/a.yml:10:15",
            "error pinned-actions .github/workflows/a.yml:11:15",
            "warning pinned-actions .github/workflows/a.yml:14:11",
        ]
    );
}

#[test]
fn scripts_made_of_what_strangers_write() {
    let files = "\
== .github/workflows/a.yml
on:
  issues:
  workflow_dispatch:
    inputs:
      name: {description: free text}
permissions: {}
env: {BODY: \"${{ github.event.comment.body }}\"}
jobs:
  build:
    runs-on: ubuntu-24.04
    env:
      WHO: ${{ github.event.issue.user.login }}
    steps:
      - run: echo \"${{ github.event.issue.title }}\"
      - run: |
          # é ${{ github.event.issue.number }}
          echo ok

          é=${{ github.head_ref || github.ref_name }}; echo ${{ github.head_ref || github.ref_name }}
      - run: >-
          echo ${{ env.BODY }}
          ${{ env.WHO }} ${{ inputs.name }}
      - run: echo '${{ toJSON(github.event) }}' '${{ github.event.issue.title == 'x' }}'
      - uses: actions/github-script@08c6903cd8c0fde910a37f88322edcfb5dd907a8
        with:
          script: console.log(`${{ github.event['pull_request'].head.ref }}`)
      - uses: somebody/else@08c6903cd8c0fde910a37f88322edcfb5dd907a8
        with: {script: \"${{ github.event.issue.title }}\"}
      - run: echo ${{ github.event.release.tag_name }} ${{ github.event.commits[0].message }}
      - env: {BODY: fine}
        run: echo ${{ env.BODY }}
== .github/actions/setup/action.yml
runs:
  using: composite
  steps:
    - run: echo ${{ github.event.pull_request.body }}
      shell: bash
";
    assert_eq!(
        found(files),
        [
            "error script-injection .github/actions/setup/action.yml:4:17",
            "error script-injection .github/workflows/a.yml:14:20",
            "error script-injection .github/workflows/a.yml:19:13",
            "error script-injection .github/workflows/a.yml:19:61",
            "error script-injection .github/workflows/a.yml:21:16",
            "warning script-injection .github/workflows/a.yml:22:26",
            "error script-injection .github/workflows/a.yml:23:20",
            "error script-injection .github/workflows/a.yml:26:32",
            "warning script-injection .github/workflows/a.yml:29:19",
            "error script-injection .github/workflows/a.yml:29:56",
        ]
    );
}

#[test]
fn workflows_that_run_a_strangers_code() {
    let files = "\
== .github/workflows/a.yml
on: {pull_request_target: , push: }
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8
        with:
          ref: ${{ github.event.pull_request.head.sha }}
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8
        with: {repository: \"${{ github.event.pull_request.head.repo.full_name }}\"}
      - run: make
== .github/workflows/b.yml
on: issue_comment
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8
        with: {ref: \"refs/pull/${{ github.event.issue.number }}/merge\"}
      - run: |
          echo hello
          gh pr checkout 7
== .github/workflows/c.yml
on: pull_request
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8
        with: {ref: \"${{ github.event.pull_request.head.sha }}\"}
";
    assert_eq!(
        found(files),
        [
            "error untrusted-checkout .github/workflows/a.yml:9:16",
            "error untrusted-checkout .github/workflows/a.yml:11:28",
            "error untrusted-checkout .github/workflows/b.yml:8:21",
            "error untrusted-checkout .github/workflows/b.yml:11:11",
        ]
    );
}
