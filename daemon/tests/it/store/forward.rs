//! The contract of workflows' tokens: each is good for one delivery, until it is over.

use orchd::store::forward::Use;

use super::{Place, noon, on_both, seconds};

on_both! {
    async fn a_token_is_good_for_one_delivery_until_it_is_over(place) {
        let (db, now) = (place.open().await, noon());
        let using = async |jti: &str, delivery: &str| db.use_token(jti, delivery, now + seconds(60)).await.unwrap();
        assert_eq!(using("one", "forward:1:2:3:ci").await, Use::Good);
        assert_eq!(using("one", "forward:1:2:3:ci").await, Use::Good, "the answer may have been lost");
        assert_eq!(using("one", "forward:1:2:3:other").await, Use::Spent);
        assert_eq!(using("two", "forward:1:2:3:other").await, Use::Good);
        // Two at once with one token: one of them has it.
        let (a, b) = tokio::join!(using("three", "a"), using("three", "b"));
        assert!(matches!((a, b), (Use::Good, Use::Spent) | (Use::Spent, Use::Good)), "{a:?} {b:?}");

        assert_eq!(db.drop_spent_tokens(now + seconds(59), 100).await.unwrap(), 0);
        assert_eq!(db.drop_spent_tokens(now + seconds(60), 2).await.unwrap(), 2);
        assert_eq!(db.drop_spent_tokens(now + seconds(60), 2).await.unwrap(), 1);
        assert!(db.repository_by_github_id(77).await.unwrap().is_none());
    }
}
