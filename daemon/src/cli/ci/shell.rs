//! How a script is handed to a shell.

use std::path::Path;

/// The words of a command that runs the script; `None` as the shell: bash where there is one, as on GitHub.
///
/// # Errors
/// When there is no such shell here.
pub(super) fn command(
    shell: Option<&str>,
    script: &Path,
    is_there: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    let pattern = match shell {
        None if is_there("bash") => "bash -e {0}",
        None | Some("sh") => "sh -e {0}",
        Some("bash") => "bash --noprofile --norc -eo pipefail {0}",
        Some("python") if is_there("python") => "python {0}",
        Some("python") => "python3 {0}",
        Some("pwsh") => "pwsh -NoLogo -NoProfile -NonInteractive -File {0}",
        Some(system @ ("cmd" | "powershell")) => return Err(format!("its shell `{system}` is there on Windows only")),
        Some(own) if own.contains("{0}") => own,
        Some(other) => return Err(format!("its shell `{other}` is not known: it needs `{{0}}` for the script")),
    };
    let script = script.display().to_string();
    let words: Vec<String> = pattern.split_whitespace().map(|word| word.replace("{0}", &script)).collect();
    match words.first() {
        Some(program) if is_there(program) => Ok(words),
        Some(program) => Err(format!("its shell `{program}` is not installed here")),
        None => Err("its shell is empty".to_owned()),
    }
}

/// The ending that a script's name should have.
pub(super) fn ending(shell: Option<&str>) -> &'static str {
    match shell {
        Some("pwsh") => "ps1",
        Some("python") => "py",
        _ => "sh",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_called_as_the_runner_calls_them() {
        let told = |shell: Option<&str>, there: &[&str]| {
            let words = command(shell, Path::new("/tmp/s p"), &|program| there.contains(&program));
            words.map(|words| words.join("|")).unwrap_or_else(|why| why)
        };
        assert_eq!(told(None, &["bash", "sh"]), "bash|-e|/tmp/s p");
        assert_eq!(told(None, &["sh"]), "sh|-e|/tmp/s p");
        assert_eq!(told(Some("bash"), &["bash"]), "bash|--noprofile|--norc|-eo|pipefail|/tmp/s p");
        assert_eq!(told(Some("python"), &["python3"]), "python3|/tmp/s p");
        assert_eq!(told(Some("perl -w {0}"), &["perl"]), "perl|-w|/tmp/s p");
        assert_eq!(told(Some("pwsh"), &[]), "its shell `pwsh` is not installed here");
        assert_eq!(told(Some("cmd"), &[]), "its shell `cmd` is there on Windows only");
        assert_eq!(told(Some("zsh"), &[]), "its shell `zsh` is not known: it needs `{0}` for the script");
    }
}
