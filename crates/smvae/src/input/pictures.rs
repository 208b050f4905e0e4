//! Posts get the images they name, just before they are predicted.

use crate::error::Result;
use crate::features::pictures::PictureFolder;
use crate::input::post::Post;

impl PictureFolder {
    /// Gives each post the image that its id names below the folder: only these are read, and only
    /// those that nobody has a vector of go through the network. Give posts in parts, since their
    /// vectors are in memory together.
    ///
    /// # Errors
    /// As [`PictureFolder::vectors_for`].
    pub fn attach(&self, posts: &mut [Post]) -> Result<()> {
        let found = self.vectors_for(posts.iter().filter_map(|post| post.image_id.as_deref()))?;
        for post in posts {
            // A name without a file says no more than a post without a vector does.
            post.picture = post.image_id.as_ref().and_then(|id| found.get(id).cloned());
        }
        Ok(())
    }
}
