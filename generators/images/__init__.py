"""Image files: which of a folder there are, their ids and labels, their headers, colours, pixels.

Stands on the package's doors `errors` and `files` only; others read images through `pixels`,
`manifest` and `pairing`.
"""
