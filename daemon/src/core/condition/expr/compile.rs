//! From text to an expression that can neither panic, overflow the stack nor run away.

use std::collections::BTreeMap;
use std::thread;

use cel::Program;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, operators};
use cel::common::value::CelVal;
use cel::parser::{Expression, ParseErrors};

use super::check::check;
use super::functions::{self, Patterns};
use super::signatures::callable;
use crate::core::condition::ConditionError;
use crate::core::condition::phrase::Quoted;
use crate::core::condition::written::{Parsed, closest, wrong};
use crate::core::vocabulary::{Kinds, Payloads, Type, variable};

/// Longest expression, in bytes.
pub(super) const MAX_LENGTH: usize = 2048;
/// The parser recurses on brackets and operators: so many of each fit on the stack it is given.
const MAX_BRACKETS: usize = 32;
const MAX_OPERATORS: usize = 160;
/// Stack of the parser, in bytes. A debug build takes a quarter of a mebibyte for each bracket.
const PARSER_STACK: usize = 32 << 20;
/// Deepest tree the evaluator walks.
const MAX_DEPTH: usize = 32;

/// Which fields of a variable an expression names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    whole: bool,
    fields: BTreeMap<String, Wanted>,
}

impl Wanted {
    /// What is wanted of a field; `None`: the field is not named.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        if self.whole { Some(self) } else { self.fields.get(name) }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The named fields, when the variable is not wanted whole.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&String, &Self)> {
        self.fields.iter().filter(|_| !self.whole)
    }

    fn mark(&mut self, path: &[String]) {
        match path.split_first() {
            None => self.whole = true,
            Some((first, rest)) => self.fields.entry(first.clone()).or_default().mark(rest),
        }
    }
}

/// Whether one of these may be a field whose name ends in `url`, or a map or list that may hold one.
pub(super) fn may_see_urls(wanted: &BTreeMap<String, Wanted>) -> bool {
    let of_payload = wanted.iter().filter(|(name, _)| variable(name).is_none() || *name == "payload");
    let payloads = Payloads::described();
    of_payload
        .into_iter()
        .any(|(name, wanted)| ends_in_url(name) || payloads.key(name).is_none_or(|of| urls_within(wanted, &of)))
}

fn ends_in_url(name: &str) -> bool {
    name.ends_with("url")
}

fn urls_within(wanted: &Wanted, of: &Type) -> bool {
    if wanted.whole {
        return of.kinds.meets(Kinds::MAP) || of.kinds.meets(Kinds::LIST) && of.entry().kinds.meets(Kinds::MAP);
    }
    wanted
        .fields
        .iter()
        .any(|(name, wanted)| ends_in_url(name) || of.field(name).is_none_or(|field| urls_within(wanted, &field)))
}

/// How deep calls with one argument may nest: the evaluator works such an argument out twice, so each level doubles
/// the work.
const MAX_CALLS: usize = 6;

/// What an expression refers to.
#[derive(Default)]
pub(super) struct Found {
    pub(super) wanted: BTreeMap<String, Wanted>,
    /// Whether it loops, or compiles regular expressions while it is evaluated: then its steps are counted.
    pub(super) counts: bool,
    /// The regular expressions written in it.
    pub(super) patterns: Patterns,
    errors: Vec<String>,
}

/// Parses an expression and bounds it.
pub(super) fn compile(source: &str) -> Parsed<(Expression, Found)> {
    measure(source).map_err(wrong)?;
    let mut expression = parse(source).map_err(|error| vec![error])?;
    let mut found = Found::default();
    let mut walk = Walk { found: &mut found, bound: Vec::new(), calls: 0 };
    walk.bounded(&mut expression, 0);
    if !found.errors.is_empty() {
        return Err(found.errors.drain(..).flat_map(wrong).collect());
    }
    let errors = check(source, &expression, Payloads::described());
    if errors.is_empty() { Ok((expression, found)) } else { Err(errors) }
}

/// Refuses what would recurse deeply, before anything recurses. Texts inside the expression are counted too, which is
/// stricter than needed and cannot be fooled.
fn measure(source: &str) -> Result<(), String> {
    if source.len() > MAX_LENGTH {
        return Err(format!("the expression is longer than {MAX_LENGTH} bytes"));
    }
    let brackets = source.bytes().filter(|b| b"([{".contains(b)).count();
    if brackets > MAX_BRACKETS {
        return Err(format!("the expression has more than {MAX_BRACKETS} brackets"));
    }
    let words = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| *word == "in").count();
    let operators = source.bytes().filter(|b| b".+-*/%!?<>=&|".contains(b)).count() + words;
    if operators > MAX_OPERATORS {
        return Err(format!("the expression has more than {MAX_OPERATORS} operators"));
    }
    Ok(())
}

/// Parses on a stack of its own: the generated parser takes far more of it than a worker thread has. Should it panic on
/// some text, the text is refused.
fn parse(source: &str) -> Result<Expression, ConditionError> {
    let told = |message: String, offset| ConditionError { at: Vec::new(), message, offset };
    let refused = || told("this is not a CEL expression".to_owned(), None);
    let text = source.to_owned();
    let parser = thread::Builder::new().name("cel-parser".to_owned()).stack_size(PARSER_STACK).spawn(move || {
        let program = Program::compile(&text).map_err(|errors| first_of(&text, &errors))?;
        Ok(program.expression().clone())
    });
    let parser = parser.map_err(|error| told(format!("the expression could not be parsed: {error}"), None))?;
    parser.join().unwrap_or_else(|_| Err(refused()))
}

fn first_of(source: &str, errors: &ParseErrors) -> ConditionError {
    let first = errors.errors.first();
    let told: String = first.map(|error| error.msg.chars().take(200).collect()).unwrap_or_default();
    let (line, column) = first.map(|error| error.pos).unwrap_or_default();
    let trimmed = source.trim_start();
    let before = trimmed.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0));
    let lead =
        source.chars().count() - trimmed.chars().count() + before.map(|line| line.chars().count()).sum::<usize>();
    // Of what ends too early the parser's place is beyond the end.
    let offset = (lead + usize::try_from(column).unwrap_or(0)).min(source.chars().count());
    ConditionError { at: Vec::new(), message: format!("this is not a CEL expression: {told}"), offset: Some(offset) }
}

struct Walk<'f> {
    found: &'f mut Found,
    /// Variables of the loops around.
    bound: Vec<String>,
    /// Calls with one argument around.
    calls: usize,
}

impl Walk<'_> {
    fn bounded(&mut self, node: &mut IdedExpr, depth: usize) {
        let chain = chain(node);
        let length = chain.as_ref().map_or(0, |(_, path)| path.len());
        if depth + length > MAX_DEPTH {
            self.found.errors = vec![format!("the expression nests more than {MAX_DEPTH} deep")];
            return;
        }
        if let Some((root, path)) = chain {
            return self.refer(root, &path);
        }
        let depth = depth + 1;
        match &mut node.expr {
            Expr::Ident(_) | Expr::Literal(_) => {}
            Expr::Select(select) => self.bounded(&mut select.operand, depth),
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) => list.elements.iter_mut().for_each(|each| self.bounded(each, depth)),
            Expr::Map(map) => map.entries.iter_mut().for_each(|entry| self.entry(entry, depth)),
            Expr::Comprehension(looping) => {
                self.found.counts = true;
                let range = &mut looping.iter_range;
                self.bounded(range, depth);
                let inner = std::mem::take(range);
                *range = called(functions::OVER, vec![inner, nothing()]);
                self.bounded(&mut looping.accu_init, depth);
                let outside = self.bound.len();
                self.bound.extend([looping.iter_var.clone(), looping.accu_var.clone()]);
                for part in [&mut looping.loop_cond, &mut looping.loop_step, &mut looping.result] {
                    self.bounded(part, depth);
                }
                self.bound.truncate(outside);
            }
            Expr::Struct(message) => {
                let name = message.type_name.clone();
                self.refuse(format!("messages such as {} cannot be made here", Quoted(&name)));
            }
            Expr::Unspecified => self.refuse("this is not a CEL expression".to_owned()),
        }
    }

    fn call(&mut self, call: &mut CallExpr, depth: usize) {
        if let Some(target) = &mut call.target {
            self.bounded(target, depth);
        }
        let is_word = call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
        let doubles = usize::from(call.args.len() == 1 && is_word);
        self.calls += doubles;
        if self.calls > MAX_CALLS {
            self.refuse(format!("calls nest more than {MAX_CALLS} deep"));
        } else {
            call.args.iter_mut().for_each(|each| self.bounded(each, depth));
        }
        self.calls -= doubles;
        match call.func_name.as_str() {
            functions::MATCHES => self.pattern(call),
            operators::IN => call.func_name = functions::IN.to_owned(),
            operators::EQUALS => call.func_name = functions::EQUALS.to_owned(),
            operators::NOT_EQUALS => call.func_name = functions::DIFFERS.to_owned(),
            "max" | "min" => {
                for each in &mut call.args {
                    let inner = std::mem::take(each);
                    *each = called(functions::COUNTED, vec![inner, nothing()]);
                }
            }
            operators::ADD => call.func_name = functions::ADD.to_owned(),
            operators::NEGATE => {
                call.func_name = functions::NEGATE.to_owned();
                call.args.push(nothing());
            }
            operators::OPT_INDEX | operators::OPT_SELECT => self.refuse("optional values are not supported".to_owned()),
            name if is_word && !callable().any(|known| known == name) => {
                let message = match closest(name, callable()) {
                    Some(near) => format!("there is no function {}: did you mean `{near}`?", Quoted(name)),
                    None => format!("there is no function {}", Quoted(name)),
                };
                self.refuse(message);
            }
            _ => {}
        }
    }

    /// Compiles the pattern of a `matches` when it is written out.
    fn pattern(&mut self, call: &CallExpr) {
        let Some(Expr::Literal(CelVal::String(pattern))) = call.args.last().map(|pattern| &pattern.expr) else {
            self.found.counts = true;
            return;
        };
        match functions::regex(pattern) {
            Some(regex) => {
                self.found.patterns.insert(pattern.clone(), regex);
            }
            None => self.refuse(format!("{} is not a regular expression, or a huge one", Quoted(pattern))),
        }
    }

    fn entry(&mut self, entry: &mut IdedEntryExpr, depth: usize) {
        match &mut entry.expr {
            EntryExpr::MapEntry(entry) => {
                self.bounded(&mut entry.key, depth);
                self.bounded(&mut entry.value, depth);
            }
            EntryExpr::StructField(_) => self.refuse("messages cannot be made here".to_owned()),
        }
    }

    fn refer(&mut self, root: String, path: &[String]) {
        if !root.starts_with('@') && !self.bound.contains(&root) {
            self.found.wanted.entry(root).or_default().mark(path);
        }
    }

    fn refuse(&mut self, message: String) {
        self.found.errors.push(message);
    }
}

/// `a.b.c` as its variable and fields.
fn chain(node: &IdedExpr) -> Option<(String, Vec<String>)> {
    let mut path = Vec::new();
    let mut at = node;
    loop {
        match &at.expr {
            Expr::Select(select) => {
                path.push(select.field.clone());
                at = &select.operand;
            }
            Expr::Ident(name) => {
                path.reverse();
                return Some((name.clone(), path));
            }
            _ => return None,
        }
    }
}

/// A second argument for the calls made here, so that the evaluator does not work out the first one twice.
fn nothing() -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(CelVal::Null) }
}

fn called(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }) }
}
