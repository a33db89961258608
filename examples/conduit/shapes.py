"""What is sent and received: the models of the contract. What is checked of a request is written in its types."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

# Patterns mean the same to Python and to JSON Schema, whose `\s` and `$` are not Python's. Nowhere may U+0000 stand,
# which PostgreSQL cannot keep.
SOMETHING = r"^[^\x00]*[^\x00-\x20][^\x00]*$"
"""More than blanks."""
NAME = r"^[^\x00-\x20/]([^\x00/]*[^\x00-\x20/])?$(?!\n)"
EMAIL = r"^[^\x00-\x20@]+@[^\x00-\x20@]+$(?!\n)"
ANYTHING = r"^[^\x00]*$"

Username = Annotated[str, Meta(min_length=1, max_length=64, pattern=NAME)]
Email = Annotated[str, Meta(min_length=1, max_length=254, pattern=EMAIL)]
Password = Annotated[str, Meta(min_length=1, max_length=1000)]
Biography = Annotated[str, Meta(max_length=10_000, pattern=ANYTHING)]
Picture = Annotated[str, Meta(max_length=2000, pattern=ANYTHING)]
Title = Annotated[str, Meta(min_length=1, max_length=200, pattern=SOMETHING)]
Description = Annotated[str, Meta(min_length=1, max_length=1000, pattern=SOMETHING)]
Text = Annotated[str, Meta(min_length=1, max_length=200_000, pattern=SOMETHING)]
TagName = Annotated[str, Meta(max_length=50, pattern=ANYTHING)]
TagNames = Annotated[list[TagName], Meta(max_length=50)]
Limit = Annotated[int, Meta(ge=1)]
Offset = Annotated[int, Meta(ge=0)]
Timestamp = Annotated[str, Meta(examples=["2016-02-18T03:22:56.637Z"], extra_json_schema={"format": "date-time"})]
"""To the millisecond, in UTC, as JavaScript writes it: clients compare and match such texts."""


# --- received ---


class Login(Struct):
    email: Annotated[str, Meta(min_length=1, max_length=254, pattern=ANYTHING)]
    password: Password


class NewUser(Struct):
    username: Username
    email: Email
    password: Password


class UserChanges(Struct):
    """What is not there stays; None is a value only of what may be empty."""

    username: Username | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    bio: Biography | UnsetType | None = UNSET
    image: Picture | UnsetType | None = UNSET


class NewArticle(Struct, rename="camel"):
    title: Title
    description: Description
    body: Text
    tag_list: TagNames = []


class ArticleChanges(Struct, rename="camel"):
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    body: Text | UnsetType = UNSET
    tag_list: TagNames | UnsetType = UNSET


class NewComment(Struct):
    body: Text


class LoginRequest(Struct):
    user: Login


class NewUserRequest(Struct):
    user: NewUser


class UserChangesRequest(Struct):
    user: UserChanges


class NewArticleRequest(Struct):
    article: NewArticle


class ArticleChangesRequest(Struct):
    article: ArticleChanges


class NewCommentRequest(Struct):
    comment: NewComment


class Page(Struct):
    """Which part of a list."""

    limit: Limit = 20
    offset: Offset = 0


class Filters(Page):
    """Which articles: those that have a tag, are by somebody, or somebody likes."""

    tag: Annotated[str, Meta(pattern=ANYTHING)] = ""
    author: Annotated[str, Meta(pattern=ANYTHING)] = ""
    favorited: Annotated[str, Meta(pattern=ANYTHING)] = ""


# --- sent ---


class Refusal(Struct):
    """What is wrong: in `body` as sentences, and by the name of each field."""

    errors: dict[str, list[str]]


class Account(Struct):
    """One's own, as nobody else sees it."""

    email: str
    token: str
    username: str
    bio: str | None
    image: str | None


class Profile(Struct):
    """Somebody, as others see them."""

    username: str
    bio: str | None
    image: str | None
    following: bool


class ArticleFields(Struct, rename="camel"):
    slug: str
    title: str
    description: str
    tag_list: list[str]
    created_at: Timestamp
    updated_at: Timestamp
    favorited: bool
    favorites_count: int
    author: Profile


class Preview(ArticleFields):
    """An article in a list, without its text."""


class WholeArticle(ArticleFields):
    body: str


class ShownComment(Struct, rename="camel"):
    id: int
    created_at: Timestamp
    updated_at: Timestamp
    body: str
    author: Profile


class AccountAnswer(Struct):
    user: Account


class ProfileAnswer(Struct):
    profile: Profile


class ArticleAnswer(Struct):
    article: WholeArticle


class ArticlesAnswer(Struct, rename="camel"):
    articles: list[Preview]
    articles_count: int


class CommentAnswer(Struct):
    comment: ShownComment


class CommentsAnswer(Struct):
    comments: list[ShownComment]


class TagsAnswer(Struct):
    tags: list[str]
