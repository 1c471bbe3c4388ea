//! Every mutation that an action sends is one that GitHub's published GraphQL schema takes, with its variables: what the
//! fake takes is what we believe, this is not.

use std::io::Write;
use std::process::{Command, Stdio};

use orchd::actions::Reversal;
use serde_json::{Value, json};

use super::kinds;
use super::scenarios::scenarios;
use super::stage::{Kind, Stage};
use crate::npm;

const PACKAGE: &str = "@octokit/graphql-schema@15.26.1";

/// Reads requests, prints what is wrong with them.
const CHECK: &str = "
    import { readFileSync } from 'node:fs';
    import { buildSchema, getVariableValues, parse, validate } from 'graphql';
    const text = readFileSync('node_modules/@octokit/graphql-schema/schema.graphql', 'utf8');
    // GitHub defines a field of its own twice.
    const schema = buildSchema(text, { assumeValid: true });
    for (const { query, variables } of JSON.parse(readFileSync(0, 'utf8'))) {
        const document = parse(query);
        const errors = [...validate(schema, document)];
        const { variableDefinitions } = document.definitions[0];
        errors.push(...(getVariableValues(schema, variableDefinitions, variables).errors ?? []));
        errors.forEach((error) => console.log(query, error.message));
    }
";

fn wrong(requests: &[Value]) -> String {
    let modules = npm::install(PACKAGE);
    let mut node = Command::new("node")
        .args(["--input-type=module", "--eval", CHECK])
        .current_dir(modules.parent().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(Value::from(requests).to_string().as_bytes()).unwrap();
    let done = node.wait_with_output().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test]
async fn github_takes_every_mutation_that_an_action_sends() {
    let mut sent: Vec<Value> = Vec::new();
    for scenario in scenarios().into_iter().filter(|each| kinds(each.action).contains(&Kind::Pull)) {
        let (stage, bound) = Stage::before(&scenario, Kind::Pull).await;
        let (before, _, after) = stage.carry_out(&bound).await;
        if let Reversal::Change(change) = bound.undo(&before, &after, &after) {
            bound.write(&stage.writer, &change).await.unwrap();
        }
        let asked = stage.github.requests().into_iter().filter(|request| request.path == "/graphql");
        sent.extend(asked.map(|request| request.body));
    }
    let names = |name: &str| sent.iter().filter(|body| body["query"].as_str().unwrap().contains(name)).count();
    for name in ["convertPullRequestToDraft", "markPullRequestReadyForReview", "updateRefs"] {
        assert!(names(name) > 0, "{name}");
    }
    assert_eq!(wrong(&sent), "");
    let misspelt = json!({"query": "mutation($id: ID!) { convertToDraft(input: {id: $id}) { x } }", "variables": {}});
    assert!(wrong(&[misspelt]).contains("Cannot query field \"convertToDraft\""), "it would be found");
}
