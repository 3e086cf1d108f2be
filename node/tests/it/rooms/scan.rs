//! A crude reading of Rust: good enough to see which paths a file names. Aliases (`use crate::client as c` in a room that
//! may) are not followed.

/// The words and marks of `text`, without comments, strings, characters and spaces. `::` is one mark.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = word_len(rest);
        let (len, keep) = if let Some(skip) = skipped(rest) {
            (skip, false)
        } else if word > 0 {
            (word, true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (c.len_utf8(), !c.is_whitespace())
        };
        if keep {
            found.push(&rest[..len]);
        }
        rest = &rest[len..];
    }
    found
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of the comment, string or character that `text` begins with.
fn skipped(text: &str) -> Option<usize> {
    let end_after = |from: usize, mark: &str| {
        text.get(from..).and_then(|rest| rest.find(mark)).map_or(text.len(), |at| from + at + mark.len())
    };
    if text.starts_with("//") {
        return Some(end_after(2, "\n"));
    }
    if text.starts_with("/*") {
        return Some(comment_len(text));
    }
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r'));
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let start = text.len() - raw.len() + hashes + 1;
        if raw[hashes..].starts_with('"') {
            return Some(end_after(start, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    if text.starts_with('"') {
        return Some(quoted_len(text, '"'));
    }
    let mut inside = text.strip_prefix('\'')?.chars();
    // `'a'` and `'\n'` are characters, `'a` is a lifetime.
    match (inside.next()?, inside.next()) {
        ('\\', _) | (_, Some('\'')) => Some(quoted_len(text, '\'')),
        _ => Some(1),
    }
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The top modules of the crate that a file, which is `module`, names in paths; each as often as it is named.
pub(crate) fn imports<'a>(tokens: &[&'a str], module: &[&'a str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    // Where we are: the file's module and the inline modules, each with the depth of its braces.
    let mut here: Vec<&str> = module.to_vec();
    let (mut inline, mut depth) = (Vec::new(), 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" => {
                depth += 1;
                if at >= 2 && tokens[at - 2] == "mod" {
                    here.push(tokens[at - 1]);
                    inline.push(depth);
                }
            }
            "}" => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                    here.pop();
                }
                depth = depth.saturating_sub(1);
            }
            _ => found.extend(path_tops(tokens, at, &here)),
        }
    }
    found
}

/// The top modules that the path beginning at `at` leads to; none when no path of this crate begins there.
fn path_tops<'a>(tokens: &[&'a str], at: usize, here: &[&'a str]) -> Vec<&'a str> {
    let is_path = |at: usize| tokens.get(at + 1) == Some(&"::");
    if at > 0 && tokens[at - 1] == "::" {
        return Vec::new();
    }
    let (base, mut next) = match tokens[at] {
        "crate" | "media_node" if is_path(at) => (&here[..0], at + 2),
        "self" if is_path(at) => (here, at + 2),
        "super" if is_path(at) => (&here[..here.len().saturating_sub(1)], at + 2),
        // In the root a path may begin with the module's own name.
        word if here.is_empty() && word_len(word) > 0 && is_path(at) => (here, at),
        _ => return Vec::new(),
    };
    let mut base = base;
    while tokens.get(next) == Some(&"super") && is_path(next) {
        base = &base[..base.len().saturating_sub(1)];
        next += 2;
    }
    match (base.first(), tokens.get(next)) {
        (Some(top), _) => vec![top],
        (None, Some(&"{")) => group_heads(&tokens[next + 1..]),
        (None, Some(top)) => vec![top],
        (None, None) => Vec::new(),
    }
}

/// The first word of each item of a `use` group, whose `{` was just read.
fn group_heads<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let (mut heads, mut depth, mut is_head) = (Vec::new(), 1, true);
    for token in tokens {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => is_head = true,
            head if is_head => {
                heads.push(head);
                is_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

/// Those of `names` that stand as a crate: after `use` or `extern crate`, or before `::`.
pub(crate) fn crates_named<'a>(tokens: &[&'a str], names: &[String]) -> Vec<&'a str> {
    let stands = |at: usize| {
        let before = at.checked_sub(1).map(|at| tokens[at]);
        matches!(before, Some("use" | "crate")) || tokens.get(at + 1) == Some(&"::")
    };
    let named = tokens
        .iter()
        .enumerate()
        .filter(|(at, token)| names.iter().any(|name| name == **token) && stands(*at));
    named.map(|(_, token)| *token).collect()
}
