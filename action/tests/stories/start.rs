//! How a step starts: at once, with its secrets masked, and with a clear word when it cannot.

use std::time::Duration;

use crate::runner::{Runner, TOKEN};

#[test]
fn the_first_thing_said_is_what_may_not_be_said() {
    let ended = Runner::new().input("mode", "nonsense").set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-oidc-word").run();
    let lines: Vec<&str> = ended.log.lines().collect();
    let masks = [format!("::add-mask::{TOKEN}"), "::add-mask::the-oidc-word".to_owned()];
    assert_eq!(lines[..2], masks);
    assert_eq!(lines[2], concat!("orchd-action ", env!("CARGO_PKG_VERSION")));
    // How long a container takes is measured where the image is made.
    if std::env::var_os("ORCHD_ACTION_IMAGE").is_none() {
        assert!(ended.took < Duration::from_secs(1), "it took {:?}", ended.took);
    }
}

#[test]
fn a_mode_that_there_is_not_is_told_with_those_that_there_are() {
    let missing = Runner::new().run().refused();
    assert!(missing.starts_with("input `mode` is missing or empty: it is one of"), "{missing}");
    let slip = Runner::new().input("mode", "rnu").run().refused();
    assert!(
        slip.contains("input `mode` is `rnu`, which is none of ") && slip.ends_with("did you mean `run`?"),
        "{slip}"
    );
    let hostile = Runner::new().input("mode", "x\n::add-mask::y").run();
    assert!(hostile.refused().contains("`x\\n::add-mask::y`"), "{}", hostile.log);
}

#[test]
fn an_input_with_a_slip_in_its_name_or_value_changes_nothing() {
    let name = Runner::new().input("mode", "run").input("dry_runn", "true").run().refused();
    assert_eq!(name, "there is no input `dry_runn`: did you mean `dry_run`?");
    let value = Runner::new().input("mode", "run").input("dry_run", "ture").run().refused();
    assert_eq!(value, "input `dry_run` is `ture`: it is `true` or `false`");
}

#[test]
fn outside_of_a_workflow_it_says_where_it_belongs() {
    let mut outside = Runner::new().input("mode", "run");
    for name in ["GITHUB_ACTIONS", "GITHUB_EVENT_NAME", "GITHUB_REPOSITORY", "GITHUB_OUTPUT"] {
        outside = outside.unset(name);
    }
    let told = outside.run().refused();
    assert!(
        told.starts_with("not set: `GITHUB_EVENT_NAME`, `GITHUB_REPOSITORY`, `GITHUB_OUTPUT`: this runs as a step"),
        "{told}"
    );
    assert!(told.contains("`orchd check`"), "{told}");
}
