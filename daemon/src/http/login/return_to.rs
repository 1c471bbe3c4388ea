//! Where somebody wants to be after signing in: a path of our own, and never another site.

/// Where people are who did not say.
pub(super) const HOME: &str = "/";

/// Longest path that is kept, in bytes.
const LONGEST: usize = 1_024;

/// A path of our own, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo(String);

impl ReturnTo {
    /// Anything but a path of our own is [`HOME`]. What a browser might take for another host is none of ours: `//`, and
    /// what it turns into that, which are backslashes, tabs and line ends.
    pub(super) fn read(text: Option<&str>) -> Self {
        let fits = |text: &&str| {
            text.len() <= LONGEST
                && text.starts_with('/')
                && !text.starts_with("//")
                && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'))
                && !["/login", "/logout"].iter().any(|page| text.starts_with(page))
        };
        Self(text.filter(fits).unwrap_or(HOME).to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_our_own_is_returned_to() {
        for own in ["/", "/account", "/events?repo=acme%2Fweb&x=1", "/rules/acme/web#top", "/a//b"] {
            assert_eq!(ReturnTo::read(Some(own)).as_str(), own);
        }
        for other in [
            "",
            "account",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\/evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\r\n/evil.test",
            "/\u{0}/evil.test",
            " /account",
            "https://evil.test",
            "https:/evil.test",
            "HTTPS:evil.test",
            "javascript:alert(1)",
            "data:text/html,x",
            "@evil.test",
            "/a\\b",
            "/é",
            "/login",
            "/login/callback?code=1",
            "/logout",
            &format!("/{}", "a".repeat(LONGEST)),
        ] {
            assert_eq!(ReturnTo::read(Some(other)).as_str(), HOME, "{other:?}");
        }
        assert_eq!(ReturnTo::read(None).as_str(), HOME);
    }
}
