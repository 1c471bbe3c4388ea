//! `GET /meta`: the address ranges that GitHub sends webhooks from.
