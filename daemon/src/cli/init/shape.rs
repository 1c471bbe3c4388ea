//! How the lines of a file end: kept as the person has it, whatever the template does.

/// The mark that some editors put first.
const MARK: char = '\u{feff}';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    marked: bool,
    /// Every line ends in CR LF.
    crlf: bool,
    /// The last line lacks its newline.
    open_end: bool,
}

impl Shape {
    /// The shape of a text, and the text as templates are written: lines end in LF, the last one too.
    pub(super) fn take(text: &str) -> (Self, String) {
        let marked = text.starts_with(MARK);
        let text = text.strip_prefix(MARK).unwrap_or(text);
        let crlf = text.contains('\n') && text.matches('\n').count() == text.matches("\r\n").count();
        let open_end = !text.is_empty() && !text.ends_with('\n');
        let mut plain = if crlf { text.replace("\r\n", "\n") } else { text.to_owned() };
        if open_end {
            plain.push('\n');
        }
        (Self { marked, crlf, open_end }, plain)
    }

    pub(super) fn give(self, plain: &str) -> String {
        let plain = if self.open_end { plain.strip_suffix('\n').unwrap_or(plain) } else { plain };
        let text = if self.crlf { plain.replace('\n', "\r\n") } else { plain.to_owned() };
        if self.marked { format!("{MARK}{text}") } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    #[test]
    fn what_is_taken_is_given_back() {
        for text in ["", "a", "a\n", "a\r\nb\r\n", "a\r\nb", "a\r\nb\n", "\u{feff}a\r\n", "\n", "\r\n", "a\r"] {
            let (shape, plain) = Shape::take(text);
            assert_eq!(shape.give(&plain), text, "{text:?}");
            assert!(plain.is_empty() || plain.ends_with('\n'), "{text:?}");
        }
        let (shape, _) = Shape::take("a\r\nb");
        assert_eq!(shape.give("a\nb\nc\n"), "a\r\nb\r\nc");
    }
}
