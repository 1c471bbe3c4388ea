//! "Did you mean": the nearest of the words that would have been right.

/// `: did you mean …?` when a candidate is near enough to be what was meant, else nothing.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(word, candidates).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default()
}

/// The candidate with the fewest typing errors, if these are at most a third of the longer word and no more than three.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Beyond this no candidate can be near, and the comparison would cost time for nothing.
    if word.len() > 100 {
        return None;
    }
    let word = word.to_lowercase();
    let most = |candidate: &str| (word.chars().count().max(candidate.len()) / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(errors, candidate)| *errors <= most(candidate))
        .min()
        .map(|(_, candidate)| candidate)
}
