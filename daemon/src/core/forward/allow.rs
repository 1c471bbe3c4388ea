//! Which workflows may forward: patterns over what GitHub says of a run's workflow file and the ref it was taken from.

use super::Context;
use crate::core::pattern::{Case, Globs};

/// Any workflow.
const ANY: &str = "**";

/// Where workflow files are.
const FOLDER: &str = ".github/workflows/";

/// Patterns, of which one must fit.
#[derive(Clone, Debug)]
pub struct Workflows(Vec<Pattern>);

/// Of the file and of the ref apart, so that no name of a branch can stand in for part of the file's.
#[derive(Clone, Debug)]
struct Pattern {
    file: Globs,
    git_ref: Globs,
}

/// Why a text means no workflows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAWorkflow(String);

impl Workflows {
    /// # Errors
    /// The first text that is no pattern.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, NotAWorkflow> {
        texts.iter().map(|text| Pattern::parse(text.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the run's workflow is meant, or the reusable workflow that its job is of. A pattern without a repository means
    /// workflows of the repository that runs.
    pub fn allow(&self, context: &Context) -> bool {
        let refs = [Some(&context.workflow_ref), context.job_workflow_ref.as_ref()];
        let own = format!("{}/", context.repository);
        refs.into_iter().flatten().any(|workflow| {
            let Some((file, git_ref)) = workflow.split_once('@') else { return false };
            let here = file.strip_prefix(&own).filter(|here| here.starts_with(FOLDER));
            self.0.iter().any(|pattern| {
                let named = [Some(file), here].into_iter().flatten();
                pattern.git_ref.selects(git_ref) && named.into_iter().any(|file| pattern.file.selects(file))
            })
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, NotAWorkflow> {
        let refuse = |what: &str| {
            Err(NotAWorkflow(format!(
                "`{text}` {what}: write FILE@REF, such as `{FOLDER}ci.yml@refs/heads/main`, \
                 `acme/shared/{FOLDER}*@refs/tags/v*` or `{FOLDER}ci.yml@**`, or `{ANY}` for any"
            )))
        };
        let (file, git_ref) = match text.split_once('@') {
            _ if text == ANY => (ANY, ANY),
            Some(halves) => halves,
            None => return refuse("names no ref"),
        };
        if text.starts_with('!') || git_ref.starts_with('!') {
            return refuse("excludes, and only what is listed is allowed");
        }
        let folder = file.find(FOLDER).map(|at| file[..at].matches('/').count());
        if file != ANY && !matches!(folder, Some(0 | 2)) {
            return refuse("is no workflow file");
        }
        let globs =
            |glob: &str| Globs::parse(&[glob], Case::Sensitive).map_err(|error| NotAWorkflow(error.to_string()));
        Ok(Self { file: globs(file)?, git_ref: globs(git_ref)? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::forward::tests::context;

    #[test]
    fn a_pattern_means_files_and_refs_and_nothing_by_accident() {
        const CI: &str = "acme/web/.github/workflows/ci.yml@refs/heads/main";
        const SHARED: &str = "acme/shared/.github/workflows/tell.yml@refs/tags/v1";
        for (pattern, workflow, job, allowed) in [
            ("**", CI, None, true),
            (".github/workflows/ci.yml@refs/heads/main", CI, None, true),
            (".github/workflows/*@refs/heads/*", CI, None, true),
            (".github/workflows/ci.yml@**", CI, None, true),
            ("acme/web/.github/workflows/ci.yml@refs/heads/main", CI, None, true),
            ("acme/*/.github/workflows/ci.yml@refs/heads/main", CI, None, true),
            (".github/workflows/cd.yml@refs/heads/main", CI, None, false),
            (".github/workflows/ci.yml@refs/heads/dev", CI, None, false),
            ("other/web/.github/workflows/ci.yml@refs/heads/main", CI, None, false),
            // A reusable workflow is meant by its own name, and not as one of the repository that calls it.
            ("acme/shared/.github/workflows/tell.yml@refs/tags/v*", CI, Some(SHARED), true),
            (".github/workflows/tell.yml@refs/tags/v*", CI, Some(SHARED), false),
            // Branches and files that are named to look like others.
            (
                ".github/workflows/*@refs/heads/main",
                "acme/web/.github/workflows/x.yml@refs/heads/a@refs/heads/main",
                None,
                false,
            ),
            (
                ".github/workflows/ci.yml@refs/heads/main",
                "acme/web/.github/workflows/ci.yml@x.yml@refs/heads/main",
                None,
                false,
            ),
            ("**", "acme/web/.github/workflows/ci.yml", None, false),
        ] {
            let mut context = context();
            context.workflow_ref = workflow.to_owned();
            context.job_workflow_ref = job.map(str::to_owned);
            let workflows = Workflows::parse(&[pattern]).unwrap();
            assert_eq!(workflows.allow(&context), allowed, "{pattern} on {workflow} {job:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_what_to_write() {
        for odd in ["", "ci.yml", "ci.yml@refs/heads/main", "!.github/workflows/ci.yml@**", ".github/workflows/[@x"] {
            let refused = Workflows::parse(&[odd]).unwrap_err().to_string();
            assert!(refused.contains("refs/heads/main") || refused.contains("is not a glob"), "{odd}: {refused}");
        }
        assert!(!Workflows::parse::<&str>(&[]).unwrap().allow(&context()), "an empty list means none");
    }
}
