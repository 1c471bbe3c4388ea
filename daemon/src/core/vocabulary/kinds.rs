//! Types of facts: what a value may be, written in letters (`s?`: text or null; `[i]`: list of whole numbers; `#12`: a map
//! of that shape).

use std::fmt;

use super::payload;

/// Which kinds of value there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOL: Self = Self(1 << 1);
    pub(crate) const INT: Self = Self(1 << 2);
    pub(crate) const UINT: Self = Self(1 << 3);
    pub(crate) const FLOAT: Self = Self(1 << 4);
    pub(crate) const TEXT: Self = Self(1 << 5);
    pub(crate) const TIME: Self = Self(1 << 6);
    pub(crate) const SPAN: Self = Self(1 << 7);
    pub(crate) const LIST: Self = Self(1 << 8);
    pub(crate) const MAP: Self = Self(1 << 9);
    /// Anything: nobody knows before the event is there.
    pub(crate) const ANY: Self = Self((1 << 10) - 1);

    /// Each kind with its name.
    const NAMES: [(Self, &'static str); 10] = [
        (Self::TEXT, "text"),
        (Self::BOOL, "true or false"),
        (Self::INT, "whole number"),
        (Self::UINT, "unsigned number"),
        (Self::FLOAT, "number with a fraction"),
        (Self::TIME, "time"),
        (Self::SPAN, "length of time"),
        (Self::LIST, "list"),
        (Self::MAP, "map"),
        (Self::NULL, "null"),
    ];

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// `text or null`.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return f.write_str("anything");
        }
        let mut between = "";
        for (kind, name) in Self::NAMES {
            if self.meets(kind) {
                write!(f, "{between}{name}")?;
                between = " or ";
            }
        }
        Ok(())
    }
}

/// What a value may be, down to the fields of maps and the entries of lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Type {
    pub(crate) kinds: Kinds,
    /// What a list may hold.
    pub(crate) entries: Vec<Type>,
    /// What a map may be.
    pub(crate) maps: Vec<Fields>,
}

/// The fields of a map.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fields {
    /// Of a payload.
    Shape(usize),
    /// Of the list of facts.
    Listed(Vec<(&'static str, Type)>),
    /// Any field, of that type.
    Open(Box<Type>),
}

impl Type {
    pub(crate) fn plain(kinds: Kinds) -> Self {
        Self { kinds, ..Self::default() }
    }

    pub(crate) fn any() -> Self {
        Self::plain(Kinds::ANY)
    }

    pub(crate) fn list(entries: Self) -> Self {
        Self { kinds: Kinds::LIST, entries: vec![entries], ..Self::default() }
    }

    pub(crate) fn map(fields: Fields) -> Self {
        Self { kinds: Kinds::MAP, maps: vec![fields], ..Self::default() }
    }

    pub(crate) fn is_any(&self) -> bool {
        self.kinds == Kinds::ANY
    }

    /// A value of either.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.kinds = self.kinds.or(other.kinds);
        for entries in other.entries {
            if !self.entries.contains(&entries) {
                self.entries.push(entries);
            }
        }
        for map in other.maps {
            if !self.maps.contains(&map) {
                self.maps.push(map);
            }
        }
        self
    }

    /// An entry of it, when it is a list.
    pub(crate) fn entry(&self) -> Self {
        if self.is_any() {
            return Self::any();
        }
        self.entries.iter().cloned().reduce(Self::or).unwrap_or_default()
    }

    /// A field of it, when it is a map; `None`: no such map has it.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        if self.is_any() {
            return Some(Self::any());
        }
        self.maps.iter().filter_map(|map| map.field(name)).reduce(Self::or)
    }

    /// The names of its fields, when it is a map.
    pub(crate) fn field_names(&self) -> Vec<&str> {
        let of = |map| match map {
            &Fields::Shape(number) => payload::shape(number).iter().map(|(name, _)| *name).collect(),
            Fields::Listed(fields) => fields.iter().map(|(name, _)| *name).collect(),
            Fields::Open(_) => Vec::new(),
        };
        self.maps.iter().flat_map(of).collect::<Vec<_>>()
    }

    /// In words.
    pub(crate) fn told(&self) -> String {
        let entry = self.entry();
        if self.kinds == Kinds::LIST && !entry.kinds.is_empty() && !entry.is_any() {
            return format!("list of {}", entry.kinds);
        }
        self.kinds.to_string()
    }

    /// From letters: those of our own lists, which are right. What is not understood may be anything.
    pub(crate) fn read(letters: &str) -> Self {
        let mut read = Self::default();
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let kinds = match letter {
                's' => Kinds::TEXT,
                'b' => Kinds::BOOL,
                'i' => Kinds::INT,
                'f' => Kinds::FLOAT,
                't' => Kinds::TIME,
                '?' => Kinds::NULL,
                '[' => {
                    let (inner, after) = bracketed(rest, '[', ']');
                    rest = after;
                    read = read.or(Self::list(Self::read(inner)));
                    continue;
                }
                '<' => {
                    let (inner, after) = bracketed(rest, '<', '>');
                    rest = after;
                    read = read.or(Self::map(Fields::Open(Box::new(Self::read(inner)))));
                    continue;
                }
                '#' => {
                    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    let number = rest[..digits].parse().unwrap_or(usize::MAX);
                    rest = &rest[digits..];
                    read = read.or(Self::map(Fields::Shape(number)));
                    continue;
                }
                _ => Kinds::ANY,
            };
            read = read.or(Self::plain(kinds));
        }
        read
    }
}

impl Fields {
    fn field(&self, name: &str) -> Option<Type> {
        match self {
            Self::Shape(number) => {
                let fields = payload::shape(*number);
                let at = fields.binary_search_by_key(&name, |(name, _)| *name).ok()?;
                fields.get(at).map(|(_, letters)| Type::read(letters))
            }
            Self::Listed(fields) => fields.iter().find(|(known, _)| *known == name).map(|(_, of)| of.clone()),
            Self::Open(of) => Some((**of).clone()),
        }
    }
}

/// What stands before the bracket that closes, and after it.
fn bracketed(text: &str, open: char, close: char) -> (&str, &str) {
    let mut depth = 1;
    for (at, each) in text.char_indices() {
        depth += i32::from(each == open);
        depth -= i32::from(each == close);
        if depth == 0 {
            return (&text[..at], &text[at + close.len_utf8()..]);
        }
    }
    (text, "")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_and_told() {
        for (letters, told) in [
            ("s", "text"),
            ("?i", "whole number or null"),
            ("[s]", "list of text"),
            ("?[<[i]>]", "list or null"),
            ("*", "anything"),
            ("<s>", "map"),
        ] {
            assert_eq!(Type::read(letters).told(), told, "{letters}");
        }
        let nested = Type::read("[<[i]>]");
        assert_eq!(nested.entry().field("x").unwrap().entry().kinds, Kinds::INT);
    }
}
