//! The files through which a step speaks to those after it: `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_PATH`.

/// Variables that a step may not change for others, as on GitHub.
const RESERVED: [&str; 2] = ["GITHUB_", "RUNNER_"];

/// Reads `NAME=VALUE` and `NAME<<END` … `END`, line by line.
///
/// # Errors
/// The line that is neither.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (equals, heredoc) = (line.find('='), line.find("<<"));
        match (equals, heredoc) {
            (Some(at), end) if end.is_none_or(|end| at < end) => {
                pairs.push((line[..at].to_owned(), line[at + 1..].to_owned()));
            }
            (_, Some(at)) => {
                let (name, end) = (&line[..at], &line[at + 2..]);
                let mut value: Vec<&str> = Vec::new();
                loop {
                    match lines.next() {
                        Some(line) if line == end => break,
                        Some(line) => value.push(line),
                        None => return Err(format!("`{name}` is not ended by a line `{end}`")),
                    }
                }
                pairs.push((name.to_owned(), value.join("\n")));
            }
            _ => return Err(format!("`{}` is neither NAME=VALUE nor NAME<<END", crate::core::text::shortened(line))),
        }
        if pairs.last().is_some_and(|(name, _)| name.trim().is_empty()) {
            return Err(format!("`{}` has no name", crate::core::text::shortened(line)));
        }
    }
    Ok(pairs)
}

/// Of `GITHUB_ENV`.
///
/// # Errors
/// As [`pairs`], and for a variable that only the runner sets.
pub(super) fn variables(text: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = pairs(text)?;
    let reserved = |name: &str| name == "NODE_OPTIONS" || RESERVED.iter().any(|prefix| name.starts_with(prefix));
    match pairs.iter().find(|(name, _)| reserved(name)) {
        Some((name, _)) => Err(format!("`{name}` cannot be set through GITHUB_ENV")),
        None => Ok(pairs),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_the_runner_reads_them() {
        let read = pairs("a=1\n\nb<<END\none\n\ntwo=2\nEND\nc=x<<y\nd=\n").unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("a", "1"), ("b", "one\n\ntwo=2"), ("c", "x<<y"), ("d", "")]);
        for (bad, why) in
            [("a", "neither NAME=VALUE"), ("a<<E\nb", "is not ended by a line `E`"), ("=1", "has no name")]
        {
            assert!(pairs(bad).unwrap_err().contains(why), "{bad}");
        }
        assert_eq!(variables("GITHUB_SHA=1").unwrap_err(), "`GITHUB_SHA` cannot be set through GITHUB_ENV");
        assert!(variables("NODE_OPTIONS=-r x").is_err() && variables("A=1").is_ok());
    }
}
