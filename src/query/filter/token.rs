//! A filter's expression cut into words, strings and signs.

use std::ops::Range;

use winnow::Parser;
use winnow::ascii::multispace0;
use winnow::combinator::{alt, delimited, repeat};
use winnow::error::EmptyError;
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{none_of, take_while};

use super::error::Mistake;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    NotMatches,
    Contains,
    In,
}

impl Operator {
    /// As it is written.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Matches => "~",
            Self::NotMatches => "!~",
            Self::Contains => "contains",
            Self::In => "in",
        }
    }
}

/// One word, string or sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Operator(Operator),
    And,
    Or,
    Not,
    Open,
    Close,
    BraceOpen,
    BraceClose,
    Comma,
}

/// A token and the bytes of the expression that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

type Input<'a> = LocatingSlice<&'a str>;

/// Cuts `expression` into tokens.
pub(super) fn tokens(expression: &str) -> Result<Vec<Spanned>, Mistake> {
    let mut input = LocatingSlice::new(expression);
    let mut found = Vec::new();
    loop {
        // Skipping blanks cannot fail: there may be none.
        let _ = multispace0::<_, EmptyError>.parse_next(&mut input);
        if input.eof_offset() == 0 {
            return Ok(found);
        }
        let start = input.current_token_start();
        match token.with_span().parse_next(&mut input) {
            Ok((token, span)) => found.push(Spanned { token, span }),
            Err(EmptyError) => return Err(unreadable(expression, start)),
        }
    }
}

fn token(input: &mut Input<'_>) -> Result<Token, EmptyError> {
    alt((
        operator.map(Token::Operator),
        sign,
        quoted('"'),
        quoted('\''),
        take_while(1.., is_word).map(word),
    ))
    .parse_next(input)
}

fn operator(input: &mut Input<'_>) -> Result<Operator, EmptyError> {
    alt((
        "==".value(Operator::Equal),
        "=".value(Operator::Equal),
        "!=".value(Operator::NotEqual),
        "!~".value(Operator::NotMatches),
        "<=".value(Operator::LessOrEqual),
        "<".value(Operator::Less),
        ">=".value(Operator::GreaterOrEqual),
        ">".value(Operator::Greater),
        "~".value(Operator::Matches),
    ))
    .parse_next(input)
}

fn sign(input: &mut Input<'_>) -> Result<Token, EmptyError> {
    alt((
        "&&".value(Token::And),
        "||".value(Token::Or),
        "!".value(Token::Not),
        "(".value(Token::Open),
        ")".value(Token::Close),
        "{".value(Token::BraceOpen),
        "}".value(Token::BraceClose),
        ",".value(Token::Comma),
    ))
    .parse_next(input)
}

/// A string in quotes. A backslash before the quote takes the quote in; every other backslash
/// stays, since regular expressions are full of them.
fn quoted<'a>(quote: char) -> impl Parser<Input<'a>, Token, EmptyError> {
    let escaped = ('\\', quote).value(quote);
    let letters =
        repeat::<_, _, String, _, _>(0.., alt((escaped, none_of(move |letter| letter == quote))));
    delimited(quote, letters, quote).map(Token::Quoted)
}

fn is_word(letter: char) -> bool {
    !letter.is_whitespace() && !"()=!<>~{},&|\"'".contains(letter)
}

fn word(text: &str) -> Token {
    match text.to_ascii_lowercase().as_str() {
        "and" => Token::And,
        "or" => Token::Or,
        "not" => Token::Not,
        "contains" => Token::Operator(Operator::Contains),
        "matches" => Token::Operator(Operator::Matches),
        "in" => Token::Operator(Operator::In),
        _ => Token::Word(text.to_owned()),
    }
}

/// Why nothing can be read at `start`: an open quote, or a sign that means nothing alone.
fn unreadable(expression: &str, start: usize) -> Mistake {
    let rest = expression.get(start..).unwrap_or_default();
    let sign = rest.chars().next().unwrap_or_default();
    match sign {
        '"' | '\'' => Mistake::new(
            start..expression.len(),
            "a string is not closed",
            format!("no closing {sign} follows"),
        ),
        _ => Mistake::new(
            start..start + sign.len_utf8(),
            format!("`{sign}` means nothing here"),
            if sign == '|' { "write `or` or `||`" } else { "write `and` or `&&`" },
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_cut_into_tokens() {
        let check = |expression: &str, expected: &[Token]| {
            let found = tokens(expression).expect("readable");
            let found: Vec<Token> = found.into_iter().map(|spanned| spanned.token).collect();
            assert_eq!(found, expected, "{expression}");
        };
        let word = |text: &str| Token::Word(text.to_owned());
        let quoted = |text: &str| Token::Quoted(text.to_owned());
        check("", &[]);
        check(
            "total>=200ms",
            &[word("total"), Token::Operator(Operator::GreaterOrEqual), word("200ms")],
        );
        check(
            r#"route ~ "^\d+\"$""#,
            &[word("route"), Token::Operator(Operator::Matches), quoted(r#"^\d+"$"#)],
        );
        check(
            "!a && NOT b || 'x y'",
            &[Token::Not, word("a"), Token::And, Token::Not, word("b"), Token::Or, quoted("x y")],
        );
        check(
            "status in {4xx,500}",
            &[
                word("status"),
                Token::Operator(Operator::In),
                Token::BraceOpen,
                word("4xx"),
                Token::Comma,
                word("500"),
                Token::BraceClose,
            ],
        );
        check(
            "client=[2001:db8::2]:80",
            &[word("client"), Token::Operator(Operator::Equal), word("[2001:db8::2]:80")],
        );
    }

    #[test]
    fn spans_are_bytes_of_the_expression() {
        let found = tokens("  größe = 'ü'").expect("readable");
        let spans: Vec<_> = found.into_iter().map(|spanned| spanned.span).collect();
        assert_eq!(spans, [2..9, 10..11, 12..16]);
    }
}
