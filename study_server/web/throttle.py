"""The site's one rate limiter: log-ins here, consents on the rater pages."""

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

limiter = Limiter(get_remote_address)
