//! YAML as a tree in which every value and every key knows its place.
//!
//! `saphyr-parser` gives events with positions; `serde_yaml` says what a plain scalar means (`yes` is text, `0x10` a
//! number), so that both readers of YAML agree. What is wrong with a file is told with its place too.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::{Number, Value};

/// Where something stands. Lines and columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which file, by the number that the caller gave it.
    pub file: usize,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// The beginning of a file: where what is missing is reported.
    pub fn start_of(file: usize) -> Self {
        Self { file, line: 1, column: 1 }
    }
}

/// Something that no file may hold, whatever it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    pub message: String,
    /// Of a key that stands twice: where it stands first.
    pub first: Option<Place>,
}

/// Deepest nesting of lists and maps in a file.
pub const MAX_DEPTH: usize = 64;
/// Most values in a file once its aliases are written out: an alias bomb ends here.
pub const MAX_NODES: usize = 100_000;

/// Most text in a file, in bytes, once its aliases are written out: so does a bomb of few but long values.
pub const MAX_TEXT: usize = 8 << 20;

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub tree: Tree,
    /// Of text that stands in the file as it is, on one line: how many characters after `place` it begins.
    pub lead: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum Tree {
    /// Null, a boolean, a number or text.
    Scalar(Value),
    List(Vec<Node>),
    /// In the order of the file. A key stands here once: a second one was reported.
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Node {
    pub fn is_null(&self) -> bool {
        matches!(self.tree, Tree::Scalar(Value::Null))
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.tree {
            Tree::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The value of a key, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.tree {
            Tree::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    pub fn to_json(&self) -> Value {
        match &self.tree {
            Tree::Scalar(value) => value.clone(),
            Tree::List(items) => items.iter().map(Self::to_json).collect(),
            Tree::Map(entries) => {
                let pair = |entry: &Entry| (entry.key.clone(), entry.node.to_json());
                Value::Object(entries.iter().map(pair).collect())
            }
        }
    }

    /// What was written, for "expected …, not …". Never the value itself: it may be a secret in the wrong place.
    pub fn kind(&self) -> &'static str {
        match &self.tree {
            Tree::Scalar(Value::Null) => "nothing",
            Tree::Scalar(Value::Bool(_)) => "true or false",
            Tree::Scalar(Value::Number(_)) => "a number",
            Tree::Scalar(_) => "text",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a map",
        }
    }

    /// The place of what `path` (keys and indexes) leads to, or of the last step that exists.
    /// A key stands for its value, because that is what a person looks for; unless the value came from another file.
    pub fn place_of(&self, path: &[String]) -> Place {
        let (mut node, mut place) = (self, self.place);
        for step in path {
            let next = match &node.tree {
                Tree::Map(entries) => entries.iter().find(|entry| entry.key == *step).map(place_of_entry),
                Tree::List(items) => step.parse().ok().and_then(|at: usize| items.get(at)).map(|n| (n, n.place)),
                Tree::Scalar(_) => None,
            };
            let Some(found) = next else { break };
            (node, place) = found;
        }
        place
    }

    /// The place of a character of the text that `path` leads to. Where the text is folded or escaped in the file, the place
    /// is where it begins, and the message says where in it.
    pub fn place_in(&self, path: &[String], offset: Option<usize>, message: String) -> (Place, String) {
        let begin = self.place_of(path);
        let scalar = path.iter().try_fold(self, |node, step| match &node.tree {
            Tree::Map(_) => node.get(step),
            Tree::List(items) => items.get(step.parse::<usize>().ok()?),
            Tree::Scalar(_) => None,
        });
        let text = scalar.filter(|node| node.as_text().is_some());
        let Some((node, offset)) = text.zip(offset) else { return (begin, message) };
        match node.lead {
            Some(lead) => (Place { column: node.place.column + lead + offset, ..node.place }, message),
            None => {
                let before: String = node.as_text().unwrap_or_default().chars().take(offset).collect();
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                (begin, format!("{message} (line {line}, column {column} of the text)"))
            }
        }
    }

    pub fn size(&self) -> usize {
        1 + match &self.tree {
            Tree::Scalar(_) => 0,
            Tree::List(items) => items.iter().map(Self::size).sum(),
            Tree::Map(entries) => entries.iter().map(|entry| entry.node.size()).sum(),
        }
    }

    /// Bytes of text in it, keys included.
    pub fn text(&self) -> usize {
        match &self.tree {
            Tree::Scalar(Value::String(text)) => text.len(),
            Tree::Scalar(_) => 0,
            Tree::List(items) => items.iter().map(Self::text).sum(),
            Tree::Map(entries) => entries.iter().map(|entry| entry.key.len() + entry.node.text()).sum(),
        }
    }

    pub fn depth(&self) -> usize {
        match &self.tree {
            Tree::Scalar(_) => 0,
            Tree::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Tree::Map(entries) => 1 + entries.iter().map(|entry| entry.node.depth()).max().unwrap_or(0),
        }
    }
}

/// Parses the one document of a file. `None`: it is not YAML, or not ours, and the faults say so. A tree may have faults
/// too; an empty file is null.
pub fn parse(text: &str, file: usize) -> (Option<Node>, Vec<Fault>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser::new_from_str(text);
    let (open, anchors, faults) = (Vec::new(), HashMap::new(), Vec::new());
    let mut builder = Builder { file, open, anchors, nodes: 0, text: 0, root: None, faults };
    while let Some(next) = parser.next_event() {
        let taken = match next {
            Ok((event, span)) => {
                let on_a_line = span.start.line() == span.end.line();
                let length = on_a_line.then(|| span.end.index() - span.start.index());
                builder.take(event, Place { file, line: span.start.line(), column: span.start.col() + 1 }, length)
            }
            Err(error) => Err(syntax_error(file, &error)),
        };
        if let Err((place, message)) = taken {
            builder.report(place, message);
            return (None, builder.faults);
        }
    }
    let nothing = || Node { place: Place::start_of(file), tree: Tree::Scalar(Value::Null), lead: None };
    (Some(builder.root.unwrap_or_else(nothing)), builder.faults)
}

/// Stops the parse of the file.
type Fatal = (Place, String);

fn syntax_error(file: usize, error: &ScanError) -> Fatal {
    let mark = error.marker();
    let place = Place { file, line: mark.line().max(1), column: mark.col() + 1 };
    let hint =
        if error.info().contains("anchor") { " (text that starts with `*` or `&` needs quotes: \"*.md\")" } else { "" };
    (place, format!("not YAML: {}{hint}", error.info()))
}

struct Builder {
    file: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    text: usize,
    root: Option<Node>,
    faults: Vec<Fault>,
}

/// A list or map whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    /// `key` waits for its value; one that is no text was reported, and its value is dropped.
    Map {
        entries: Vec<Entry>,
        key: Option<(Option<String>, Place)>,
    },
}

impl Builder {
    fn report(&mut self, place: Place, message: String) {
        self.faults.push(Fault { place, message, first: None });
    }

    /// `length`: of what is taken, in characters of the file, when it stands on one line.
    fn take(&mut self, event: Event<'_>, place: Place, length: Option<usize>) -> Result<(), Fatal> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err((place, "a second YAML document: a config file holds one".to_owned()))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.resolve(&text, style, tag.as_deref(), place);
                // Only what was written plainly takes as much room in the file as it has characters.
                let lead = usize::from(style != ScalarStyle::Plain);
                let lead = (Some(text.chars().count() + 2 * lead) == length).then_some(lead);
                self.place_node(Node { place, tree: Tree::Scalar(value), lead }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                self.begin(Open { place, anchor, content: Content::List(Vec::new()) })
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), place);
                self.begin(Open { place, anchor, content: Content::Map { entries: Vec::new(), key: None } })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.expand(anchor, place),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), Fatal> {
        if self.open.len() >= MAX_DEPTH {
            return Err((open.place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fatal> {
        let Some(Open { place, anchor, content }) = self.open.pop() else { return Ok(()) };
        let tree = match content {
            Content::List(items) => Tree::List(items),
            Content::Map { entries, .. } => Tree::Map(entries),
        };
        self.place_node(Node { place, tree, lead: None }, anchor)
    }

    /// Problems in an alias are reported where its anchor was written: the alias repeats that place.
    fn expand(&mut self, anchor: usize, place: Place) -> Result<(), Fatal> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err((place, "an alias inside its own anchor".to_owned()));
        };
        if self.open.len() + node.depth() > MAX_DEPTH {
            return Err((place, format!("nested deeper than {MAX_DEPTH} levels once its aliases are written out")));
        }
        let (size, text) = (node.size(), node.text());
        self.count(size, text, place)?;
        match self.anchors.get(&anchor).cloned() {
            Some(node) => self.place_counted(node, 0),
            None => Ok(()),
        }
    }

    /// Counts what is about to be kept.
    fn count(&mut self, values: usize, text: usize, place: Place) -> Result<(), Fatal> {
        self.nodes += values;
        self.text += text;
        if self.text > MAX_TEXT {
            return Err((place, format!("more than {} MiB of text once aliases are written out", MAX_TEXT >> 20)));
        }
        if self.nodes > MAX_NODES {
            return Err((place, format!("more than {MAX_NODES} values once aliases are written out")));
        }
        Ok(())
    }

    /// Places a new value. What a list or map holds was counted before it.
    fn place_node(&mut self, node: Node, anchor: usize) -> Result<(), Fatal> {
        let text = if matches!(node.tree, Tree::Scalar(_)) { node.text() } else { 0 };
        self.count(1, text, node.place)?;
        self.place_counted(node, anchor)
    }

    fn place_counted(&mut self, node: Node, anchor: usize) -> Result<(), Fatal> {
        if anchor != 0 {
            // A copy is kept for the aliases to come; anchors inside anchors multiply it.
            self.count(node.size(), node.text(), node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match key.take() {
                None => *key = Some((key_of(&node, &mut self.faults), node.place)),
                Some((None, _)) => {}
                Some((Some(name), place)) => match entries.iter().find(|entry| entry.key == name) {
                    Some(first) => {
                        let message = format!("`{name}` stands here twice");
                        self.faults.push(Fault { place, message, first: Some(first.place) });
                    }
                    None => entries.push(Entry { key: name, place, node }),
                },
            },
        }
        Ok(())
    }

    fn resolve(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Value {
        let as_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
        if !as_text {
            self.refuse_tag(tag, place);
        }
        if as_text || style != ScalarStyle::Plain { Value::String(text.to_owned()) } else { plain(text) }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, place: Place) {
        if let Some(tag) = tag {
            let place = Place { file: self.file, ..place };
            let message =
                format!("`{tag}` is a YAML tag, which has no meaning here (text that starts with `!` needs quotes)");
            self.report(place, message);
        }
    }
}

/// A value, and where a person looks for it.
fn place_of_entry(entry: &Entry) -> (&Node, Place) {
    let elsewhere = entry.node.place.file != entry.place.file;
    (&entry.node, if elsewhere { entry.node.place } else { entry.place })
}

/// `None`: it is no text, and that was told.
fn key_of(node: &Node, faults: &mut Vec<Fault>) -> Option<String> {
    match &node.tree {
        Tree::Scalar(Value::String(text)) => Some(text.clone()),
        Tree::Scalar(value @ (Value::Bool(_) | Value::Number(_))) => Some(value.to_string()),
        _ => {
            let message = format!("a key is text, not {}", node.kind());
            faults.push(Fault { place: node.place, message, first: None });
            None
        }
    }
}

/// What an unquoted scalar means.
fn plain(text: &str) -> Value {
    let number = |number: serde_yaml::Number| {
        let whole = number.as_u64().map(Number::from).or_else(|| number.as_i64().map(Number::from));
        whole.or_else(|| number.as_f64().and_then(Number::from_f64))
    };
    match serde_yaml::from_str::<serde_yaml::Value>(text) {
        Ok(serde_yaml::Value::Null) => Value::Null,
        Ok(serde_yaml::Value::Bool(flag)) => Value::Bool(flag),
        // `.inf` and `.nan` have no place in JSON's model: they stay text, and no key takes them.
        Ok(serde_yaml::Value::Number(found)) => {
            number(found).map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
        _ => Value::String(text.to_owned()),
    }
}
