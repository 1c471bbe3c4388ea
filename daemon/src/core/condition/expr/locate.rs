//! Where in its text a part of an expression stands. The parser keeps no places, so the names are looked for.

use cel::common::ast::{Expr, IdedExpr};

/// The place of a part, in characters from the beginning of the text: of the field of a chain, else of the first name in
/// it. `None`: it has no name, or one that stands at several places, of which this may be any; a name alone that is wrong is
/// wrong everywhere, so the first place does.
pub(super) fn offset_of(source: &str, node: &IdedExpr) -> Option<usize> {
    let chain = first_chain(node)?;
    let is_name = matches!(node.expr, Expr::Ident(_) | Expr::Select(_));
    let mut places = find(source, &chain).into_iter();
    let first = places.next();
    if is_name || places.next().is_none() { first } else { None }
}

/// `a.b.c`, or the first such within.
fn first_chain(node: &IdedExpr) -> Option<Vec<&str>> {
    match &node.expr {
        Expr::Ident(name) if name.starts_with('@') => None,
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) => {
            let mut chain = first_chain(&select.operand)?;
            chain.push(&select.field);
            Some(chain)
        }
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).find_map(first_chain),
        Expr::List(list) => list.elements.iter().find_map(first_chain),
        Expr::Comprehension(looping) => first_chain(&looping.iter_range),
        _ => None,
    }
}

/// Where the last name of a chain stands, each time that the chain is written.
fn find(source: &str, chain: &[&str]) -> Vec<usize> {
    let words = words(source);
    let fits = |at: usize| {
        chain.iter().enumerate().all(|(step, name)| words.get(at + step).is_some_and(|word| word.text == *name))
            && chain.iter().enumerate().skip(1).all(|(step, _)| words[at + step].after_dot)
            && !words[at].after_dot
    };
    (0..words.len()).filter(|at| fits(*at)).map(|at| words[at + chain.len() - 1].offset).collect()
}

struct Word<'a> {
    text: &'a str,
    /// In characters.
    offset: usize,
    after_dot: bool,
}

/// The names in an expression, outside of texts.
fn words(source: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut quote = None;
    let (mut start, mut last, mut escaped) = (None, ' ', false);
    let ends = source.char_indices().map(|(at, each)| (at, Some(each))).chain([(source.len(), None)]);
    for (count, (at, each)) in ends.enumerate() {
        let is_word = quote.is_none() && each.is_some_and(|each| each.is_alphanumeric() || each == '_');
        match (start, is_word) {
            (None, true) => start = Some((at, count, last == '.')),
            (Some((from, offset, after_dot)), false) => {
                words.push(Word { text: &source[from..at], offset, after_dot });
                start = None;
            }
            _ => {}
        }
        let Some(each) = each else { break };
        match quote {
            Some(open) if each == open && !escaped => quote = None,
            None if matches!(each, '"' | '\'') => quote = Some(each),
            _ => {}
        }
        escaped = quote.is_some() && each == '\\' && !escaped;
        if !each.is_whitespace() {
            last = each;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_found_outside_of_texts() {
        for (source, chain, offset) in [
            ("a.b == 1", &["a", "b"][..], &[2][..]),
            ("x.a.b && a . b", &["a", "b"], &[13]),
            ("'a.b' == \"a.b\\\"a\" || a.b", &["a", "b"], &[23]),
            ("é == a && a", &["a"], &[5, 10]),
            ("ab.c", &["a"], &[]),
        ] {
            assert_eq!(find(source, chain), offset, "{source}");
        }
    }
}
