//! App JWTs and installation tokens.
