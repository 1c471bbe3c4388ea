//! The rules that a repository keeps for orchd.

use super::super::Check;
use super::super::scene::{At, RULES, Scene, Seen};

pub(in super::super) static CHECK: Check = Check {
    id: "orchd-config",
    title: "`.github/orchd.yml` is valid",
    finds: "Whatever orchd would refuse in it, with line and column (errors); a file of another name beside it, which nobody reads (warning). Not having one is no finding.",
    points: 8,
    asks_github: false,
    look,
};

/// Names that are near enough to be taken for the right one.
const OTHERS: [&str; 4] = [".github/orchd.yaml", "orchd.yml", ".orchd.yml", ".github/.orchd.yml"];

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    if let Some(text) = scene.checkout.text(RULES) {
        for problem in (scene.read_rules)(RULES, text) {
            let at = At::line(RULES, problem.line, problem.column);
            seen.error(at, problem.message, "mend it: until then none of the file's rules run");
        }
    }
    if !scene.checkout.has(RULES) {
        for other in OTHERS.iter().filter(|path| scene.checkout.has(path)) {
            seen.warning(
                At::file(other),
                format!("orchd reads `{RULES}`, not `{other}`"),
                format!("rename it to `{RULES}`"),
            );
        }
    }
    seen
}
