"""What every training needs: the base model, examples as tokens, the loss of a token."""
