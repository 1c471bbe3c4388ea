//! What the token of a workflow may do when the workflow does not say.

use super::super::Check;
use super::super::scene::{At, Scene, Seen};
use super::super::told::why_not;
use crate::core::facts::Known;

pub(in super::super) static CHECK: Check = Check {
    id: "token-defaults",
    title: "A workflow's token only reads unless the workflow says more",
    finds: "The repository's setting that lets tokens write by default (warning), or approve pull requests (notice).",
    points: 5,
    asks_github: true,
    look,
};

const WHERE: &str = "Settings → Actions → General → Workflow permissions";

fn look(scene: &Scene) -> Seen {
    let defaults = match &scene.told.token {
        Known::Is(defaults) => defaults,
        unknown => {
            return Seen::not_done(why_not(unknown, "what workflows' tokens may do by default").unwrap_or_default());
        }
    };
    let mut seen = Seen::default();
    if defaults.may_write {
        let message = "a workflow that does not say what its token may do gets one that may write";
        seen.warning(
            At::nowhere(),
            message,
            format!("{WHERE}: choose “Read repository contents and packages permissions”"),
        );
    }
    if defaults.may_approve {
        let message = "workflows may create and approve pull requests: what one opens another can approve";
        seen.notice(At::nowhere(), message, format!("{WHERE}: turn off “Allow GitHub Actions to create and approve pull requests”, unless a workflow needs it"));
    }
    seen
}
