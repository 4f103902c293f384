//! Foreign text made inert: it is seen as it is, and does nothing.
//!
//! A state file, a plan, a setting, an answer of AWS may hold any character: one that moves the cursor of a terminal,
//! turns the direction of a line, hides between two letters, begins a command of the machine that runs a workflow, or
//! is markup where it is pasted. What this program did not write itself goes through here before anybody sees it.
//!
//! # Guarantees
//!
//! - [`printable`] gives one line without characters that nobody sees: each stands as `\u{202e}`.
//! - [`guarded`] lets through a whole page of ours: its lines and its colours, nothing else that a terminal obeys. It is
//!   the last defence, for texts that should have been made printable before.
//! - [`json_guarded`] changes the spelling of a JSON document and not its meaning.
//! - [`markdown`] and [`markdown_code`] give text that a reader of Markdown shows as it is: no link, no picture, no tag,
//!   no mention, no issue, no commit, no end of the code around it.

use std::borrow::Cow;
use std::path::Path;

/// Whether a character has no look of its own, or changes the look of others: controls, marks of direction, characters
/// of no width, separators of lines, tags.
pub fn is_unseen(character: char) -> bool {
    matches!(character,
        // C0, DEL and C1.
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        // Format characters and what renderers ignore.
        | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        // Zero width, direction, separators of lines and paragraphs, invisible operators.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0d}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        // Tags and variation selectors of the supplement, private characters beyond.
        | '\u{e0000}'..='\u{10ffff}')
}

/// A foreign text on one line, every unseen character spelled out.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unseen(character) {
            safe.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(without_commands(&safe).into_owned())
}

/// A foreign text as one word of a command that people paste into a shell. What a shell would not read as it is stands in
/// quotes, and what nobody sees is spelled out. In expressions it is `shell(text)`.
pub fn shell(text: &str) -> String {
    let text = printable(text);
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_@%+=:,./-".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The name of a file as one word of a command, which no program takes for an option.
pub fn shell_path(path: &Path) -> String {
    let name = path.display().to_string();
    shell(&if name.starts_with('-') { format!("./{name}") } else { name })
}

/// As [`printable`] for each line, with the ends of lines left as they are: for texts that are shown as a block of their
/// own.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(|line| printable(line).replace("\\u{9}", "    ")).collect::<Vec<_>>().join("\n")
}

/// Breaks what a runner of workflows takes for a command wherever it stands in a line: `##[error]`, `##vso[...]`.
fn without_commands(text: &str) -> Cow<'_, str> {
    if !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("##") {
        let (before, after) = rest.split_at(at + 1);
        safe.push_str(before);
        let name = after[1..].trim_start_matches(|character: char| character.is_ascii_alphanumeric());
        if name.starts_with('[') {
            safe.push_str("\\u{23}");
            rest = &after[1..];
        } else {
            rest = after;
        }
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

/// Parameters of the escape sequences that texts of ours colour with: no hidden text, no blinking, no other page.
fn is_colour(parameters: &str) -> bool {
    parameters.is_empty()
        || parameters.split(';').all(|number| {
            matches!(number.parse::<u8>(), Ok(0..=4 | 9 | 22..=24 | 29..=37 | 39 | 90..=97)) && number.len() <= 2
        })
}

/// A text of ours as it may be written to a terminal, with its lines and, if `colours`, its colours.
pub fn guarded(text: &str, colours: bool) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            safe.push('\n');
        }
        guard_line(line, colours, &mut safe);
    }
    safe
}

fn guard_line(line: &str, colours: bool, safe: &mut String) {
    let mut bare = String::with_capacity(line.len());
    let mut coloured = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        if let Some((parameters, after)) = rest.strip_prefix("\x1b[").and_then(|rest| rest.split_once('m'))
            && parameters.len() < 16
            && is_colour(parameters)
        {
            coloured.push_str(&rest[..rest.len() - after.len()]);
            rest = after;
            continue;
        }
        rest = &rest[character.len_utf8()..];
        if is_unseen(character) && character != '\t' {
            let spelled = format!("\\u{{{:x}}}", u32::from(character));
            coloured.push_str(&spelled);
            bare.push_str(&spelled);
        } else {
            coloured.push(character);
            bare.push(character);
        }
    }
    // A line that is a command of a workflow is none any more; nothing of ours is one, so that it loses its colours.
    let begins = bare.trim_start().starts_with("::");
    if begins || matches!(without_commands(&bare), Cow::Owned(_)) {
        let inert = if begins { bare.replacen("::", "\\u{3a}:", 1) } else { bare };
        safe.push_str(&without_commands(&inert));
    } else {
        safe.push_str(if colours { &coloured } else { &bare });
    }
}

/// A JSON document that a terminal and a workflow do not obey, and that means the same. In JSON nothing but ASCII stands
/// outside of strings.
pub fn json_guarded(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if is_unseen(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    match without_commands(&safe) {
        Cow::Owned(broken) => broken.replace("\\u{23}", "\\u0023"),
        Cow::Borrowed(_) => safe,
    }
}

/// A character that Markdown does not take for a sign. Where tags stand around it, it is not parsed again.
fn entity(character: char, safe: &mut String) {
    safe.push_str(&format!("&#{};", u32::from(character)));
}

/// What stands between two characters that would be a mention or a link together: it has no width, and is ours.
const APART: &str = "&#8203;";

/// Foreign text within a line of Markdown or HTML, as text and nothing else.
pub fn markdown(text: &str) -> String {
    marked_up(text, APART)
}

/// Foreign text within `<code>`, where nothing is a mention.
pub fn markdown_code(text: &str) -> String {
    marked_up(text, "")
}

fn marked_up(text: &str, apart: &str) -> String {
    let text = printable(text);
    let mut linked = if apart.is_empty() { Vec::new() } else { linked(&text) }.into_iter().peekable();
    let mut safe = String::with_capacity(text.len() + 8);
    let mut position = 0;
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    // Digits with a dot behind them begin a list.
    let mut begins = true;
    // How many of `www` stand before.
    let mut ws = 0;
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        if linked.next_if_eq(&position).is_some() {
            safe.push_str(apart);
        }
        position += character.len_utf8();
        let is_word = |character: char| character.is_alphanumeric();
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\\' | '`' | '*' | '[' | ']' | '!' | '|' | '~' | '$' => entity(character, &mut safe),
            // Within a word it is a letter like others.
            '_' if is_word(before) && is_word(next) => safe.push('_'),
            '_' => entity('_', &mut safe),
            '@' | '#' => {
                entity(character, &mut safe);
                safe.push_str(apart);
            }
            ':' if next == '/' => {
                entity(':', &mut safe);
                safe.push_str(apart);
            }
            '.' if ws >= 3 => {
                entity('.', &mut safe);
                safe.push_str(apart);
            }
            '-' | '+' | '=' | '.' | ')' | ' ' | ':' if begins => entity(character, &mut safe),
            other => safe.push(other),
        }
        begins &= character.is_ascii_digit();
        ws = if matches!(character, 'w' | 'W') { ws + 1 } else { 0 };
        before = character;
    }
    safe
}

/// The places at which words are broken that become links without any sign: `GH-1` is an issue, and what looks like the hash of a
/// commit is one. Bytes, in order.
fn linked(text: &str) -> Vec<usize> {
    /// The fewest digits by which a commit is found, and all of them.
    const HASH: std::ops::RangeInclusive<usize> = 7..=40;
    let mut places = Vec::new();
    let is_word = |letter: char| letter.is_ascii_alphanumeric();
    let mut end = 0;
    while let Some(from) = text[end..].find(is_word).map(|at| end + at) {
        end = text[from..].find(|letter: char| !is_word(letter)).map_or(text.len(), |at| from + at);
        let word = &text[from..end];
        let goes_on =
            text[end..].strip_prefix('-').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
        // As the end of a longer name, such as that of a security group, it is none.
        let is_alone = !text[..from].ends_with(['-', '_', '/', '.', ':', '=']);
        let is_hash = is_alone
            && HASH.contains(&word.len())
            && word.bytes().all(|letter| letter.is_ascii_hexdigit())
            && (word.len() == *HASH.end() || word.bytes().any(|letter| letter.is_ascii_digit()))
            && (word.len() == *HASH.end() || word.bytes().any(|letter| letter.is_ascii_alphabetic()));
        if is_hash || word.eq_ignore_ascii_case("gh") && goes_on {
            places.push(from + 1);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind of character that must not be seen by a terminal.
    const UNSEEN: [char; 14] = [
        '\0',
        '\x07',
        '\x1b',
        '\r',
        '\x7f',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{200b}',
        '\u{202e}',
        '\u{2028}',
        '\u{2066}',
        '\u{feff}',
        '\u{e0041}',
    ];

    #[test]
    fn a_text_is_one_word_of_a_shell() {
        for plain in ["/mastodon/social", "eu-central-1", "arn:aws:iam::1:role/a_b+c=d,e.f@g%h"] {
            assert_eq!(shell(plain), plain);
        }
        for (text, word) in [
            ("", "''"),
            ("a; touch PWN $(id)", "'a; touch PWN $(id)'"),
            ("it's `x`", r"'it'\''s `x`'"),
            ("a\nb", r"'a\u{a}b'"),
            ("~root", "'~root'"),
        ] {
            assert_eq!(shell(text), word);
        }
    }

    #[test]
    fn the_name_of_a_file_is_one_word_and_no_option() {
        for (path, word) in [
            ("ops/a.toml", "ops/a.toml"),
            ("ops/$(touch PWN).toml", "'ops/$(touch PWN).toml'"),
            ("-rf", "./-rf"),
            ("a\u{202e}b", r"'a\u{202e}b'"),
        ] {
            assert_eq!(shell_path(Path::new(path)), word);
        }
    }

    #[test]
    fn unseen_characters_are_spelled_out() {
        for character in UNSEEN {
            let spelled = format!("a\\u{{{:x}}}b", u32::from(character));
            assert_eq!(printable(&format!("a{character}b")), spelled);
            assert_eq!(guarded(&format!("a{character}b"), true), spelled);
        }
        assert_eq!(printable("a\nb\tc"), "a\\u{a}b\\u{9}c");
        assert_eq!(printable("Grüße 社会 \u{2764}\u{fe0f} ±→…"), "Grüße 社会 \u{2764}\u{fe0f} ±→…");
        assert_eq!(printable_lines("a\tb\n\x1bc"), "a    b\n\\u{1b}c");
    }

    #[test]
    fn a_page_keeps_its_lines_and_its_colours_and_nothing_else() {
        let page = "\x1b[31mred\x1b[0m\n\x1b[1m\x1b[94mbold\x1b[39m\ttab";
        assert_eq!(guarded(page, true), page);
        assert_eq!(guarded(page, false), "red\nbold\ttab");
        for bad in ["\x1b[1A", "\x1b[2K", "\x1b]0;title\x07", "\x1b[8m", "\x1b[5m", "\x1b[38;5;0m", "\x1b[?7l", "\x1b"]
        {
            for colours in [true, false] {
                let safe = guarded(&format!("a{bad}b"), colours);
                assert!(!safe.contains(is_unseen) && safe.starts_with("a\\u{1b}"), "{bad:?}: {safe:?}");
            }
        }
    }

    #[test]
    fn no_line_is_a_command_of_a_workflow() {
        assert_eq!(guarded("a\n  ::error::owned", false), "a\n  \\u{3a}:error::owned");
        assert_eq!(guarded("\x1b[31m::error::owned\x1b[0m", true), "\\u{3a}:error::owned");
        assert_eq!(guarded("x ##[add-mask]y", false), "x #\\u{23}[add-mask]y");
        assert_eq!(printable("##vso[task.setvariable]"), "#\\u{23}vso[task.setvariable]");
        assert_eq!(printable("###[x]"), "##\\u{23}[x]");
        assert_eq!(guarded("a::b\n## heading", true), "a::b\n## heading");
    }

    #[test]
    fn json_means_the_same_after_it_has_been_guarded() {
        let text: String = UNSEEN.into_iter().chain("##[error]::\u{10ffff}\n".chars()).collect();
        let json = serde_json::json!({ text.clone(): [text, "ü"] });
        let guarded = json_guarded(&serde_json::to_string_pretty(&json).expect("JSON"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&guarded).expect("JSON"), json);
        assert!(!guarded.contains(|character| is_unseen(character) && character != '\n'));
        assert!(!guarded.contains("##[") && guarded.contains('ü'));
    }

    #[test]
    fn text_within_markdown_is_text() {
        assert_eq!(markdown("mastodon.toml:25, a-b (c) d_e"), "mastodon.toml:25, a-b (c) d_e");
        assert_eq!(markdown("<img> @org/team"), "&lt;img&gt; &#64;&#8203;org/team");
        assert_eq!(markdown("https://x www.x"), "https&#58;&#8203;//x www&#46;&#8203;x");
        assert_eq!(markdown("1. a"), "1&#46; a");
        assert_eq!(markdown("- a"), "&#45; a");
    }

    /// A link to an issue or a commit needs no sign. Within code there is none.
    #[test]
    fn no_word_becomes_a_link_by_itself() {
        for (text, safe) in [
            ("GH-1", "G&#8203;H-1"),
            ("a gh-12, b", "a g&#8203;h-12, b"),
            ("#1 o/r#1", "&#35;&#8203;1 o/r&#35;&#8203;1"),
            ("at o/r@0a1b2c3", "at o/r&#64;&#8203;0&#8203;a1b2c3"),
            ("0123456789012345678901234567890123456789", "0&#8203;123456789012345678901234567890123456789"),
            ("deadbee1 defaced 12345678 eu-1 GH- high-1", "d&#8203;eadbee1 defaced 12345678 eu-1 GH- high-1"),
            ("sgr-48c388c065fd90ee7 a:498c01aa", "sgr-48c388c065fd90ee7 a:498c01aa"),
        ] {
            assert_eq!(markdown(text), safe);
            assert!(!markdown_code(text).contains(APART), "{text}");
        }
    }
}
