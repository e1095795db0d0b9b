"""What ``gateway doctor`` checks in a deployment, from outside and on its machine."""
