# Makes the numbers that tests/analysis compares with. Debian 12: R 4.2.2, clubSandwich 0.5.8,
# sandwich 3.0-2, lme4 1.1-31, glmmTMB 1.1.5, BradleyTerry2 1.1-2, psych 2.2.9. Not run by the tests.
#   Rscript tests/analysis/oracles.R     (from the repository root)
options(digits = 15, width = 200)
say <- function(name, x) cat(name, ":", format(x, digits = 14), "\n")
library(clubSandwich); library(sandwich); library(lme4); library(BradleyTerry2)
d <- read.csv("tests/analysis/data/unbalanced.csv")

for (m in c("m1", "m2")) {
  s <- d[d$condition == m, ]
  fit <- lm(fooled ~ 1, data = s)
  say(paste(m, "N p"), c(nrow(s), mean(s$fooled)))
  say(paste(m, "V_R"), vcovCR(fit, cluster = s$rater_id, type = "CR2")[1, 1])
  say(paste(m, "V_I"), vcovCR(fit, cluster = s$item_id, type = "CR2")[1, 1])
  additive <- lm(fooled ~ rater_id + item_id, data = s)
  say(paste(m, "V_E"), summary(additive)$sigma^2 / nrow(s))
}
both <- lm(fooled ~ 0 + condition, data = d)
contrast <- matrix(c(1, -1), 1)
for (cluster in c("rater_id", "item_id")) {
  v <- vcovCR(both, cluster = d[[cluster]], type = "CR2")
  w <- linear_contrast(both, vcov = v, contrasts = contrast, test = "Satterthwaite")
  say(paste("difference", cluster, "V df"), c(w$SE^2, w$df))
}

data(VerbAgg)
va <- glmer(r2 ~ 1 + (1 | id) + (1 | item), VerbAgg, family = binomial, nAGQ = 1,
            control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5)))
say("VerbAgg intercept", fixef(va)); say("VerbAgg se", sqrt(diag(as.matrix(vcov(va)))))
say("VerbAgg sds", c(attr(VarCorr(va)$id, "stddev"), attr(VarCorr(va)$item, "stddev")))
say("VerbAgg logLik", as.numeric(logLik(va)))
t0 <- proc.time()[3]; glmer(r2 ~ 1 + (1 | id) + (1 | item), VerbAgg, family = binomial)
say("VerbAgg glmer seconds", proc.time()[3] - t0)
va2 <- glmer(r2 ~ Gender + mode + (1 | id) + (1 | item), VerbAgg, family = binomial, nAGQ = 1,
             control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5)))
say("VerbAgg covariates beta", fixef(va2)); say("VerbAgg covariates logLik", as.numeric(logLik(va2)))
say("VerbAgg covariates sds", c(attr(VarCorr(va2)$id, "stddev"), attr(VarCorr(va2)$item, "stddev")))
say("VerbAgg covariates se", sqrt(diag(as.matrix(vcov(va2)))))
if (requireNamespace("glmmTMB", quietly = TRUE)) {
  tmb <- try(glmmTMB::glmmTMB(r2 ~ 1 + (1 | id) + (1 | item), VerbAgg, family = binomial))
  if (!inherits(tmb, "try-error")) {
    say("VerbAgg glmmTMB intercept se", c(glmmTMB::fixef(tmb)$cond, sqrt(vcov(tmb)$cond[1, 1])))
    say("VerbAgg glmmTMB logLik", as.numeric(logLik(tmb)))
  }
}
u <- glmer(fooled ~ 1 + (1 | rater_id) + (1 | item_id), d[d$condition == "m1", ], family = binomial)
say("unbalanced m1 glmer", c(fixef(u), attr(VarCorr(u)$rater_id, "stddev"),
                             attr(VarCorr(u)$item_id, "stddev"), as.numeric(logLik(u))))
if (nchar(Sys.getenv("EXPORT_DATA"))) {
  wide <- reshape(transform(VerbAgg, y = as.integer(r2 == "Y"))[, c("id", "item", "y")],
                  idvar = "id", timevar = "item", direction = "wide")
  wide <- wide[order(as.integer(as.character(wide$id))), ]
  g <- VerbAgg$Gender[match(wide$id, VerbAgg$id)]
  writeLines(paste0(g, " ", apply(wide[, -1], 1, paste, collapse = "")),
             "tests/analysis/data/verbagg.txt")
  cat(levels(VerbAgg$item), "\n"); print(colnames(wide)[-1])
  data(baseball); write.csv(baseball, "tests/analysis/data/baseball.csv", row.names = FALSE)
}

data(citations); cit <- countsToBinomial(citations)
names(cit)[1:2] <- c("j1", "j2")
bt <- BTm(cbind(win1, win2), j1, j2, data = cit)
print(cit); say("citations", coef(bt)); say("citations se", sqrt(diag(vcov(bt))))
data(baseball)
bb <- BTm(cbind(home.wins, away.wins), home.team, away.team, data = baseball)
print(names(coef(bb))); say("baseball", coef(bb)); say("baseball se", sqrt(diag(vcov(bb))))

p <- c(.001, .008, .012, .04, .041, .2, .9)
say("holm", p.adjust(p, "holm")); say("BH", p.adjust(p, "BH"))
x <- rbind(c(0, 20), c(3, 20), c(47, 100), c(20, 20), c(975, 2500))
for (i in seq_len(nrow(x))) {
  k <- x[i, 1]; n <- x[i, 2]
  say(paste("wilson", k, n), prop.test(k, n, correct = FALSE)$conf.int)
  say(paste("clopper", k, n), binom.test(k, n)$conf.int)
  say(paste("jeffreys", k, n), qbeta(c(.025, .975), k + .5, n - k + .5))
}
sf <- matrix(c(9,2,5,8, 6,1,3,2, 8,4,6,8, 7,1,2,6, 10,5,6,9, 6,2,4,7), ncol = 4, byrow = TRUE)
print(psych::ICC(sf)$results)
print(sessionInfo()$R.version$version.string)

# Ties: psychotools 0.7-2, btmodel(undecided = TRUE), Davidson's model in its log-linear form.
library(psychotools)
ties <- read.csv("tests/analysis/data/duels.csv")
models <- c("m0", "m1", "m2", "m3")
pairs <- do.call(rbind, lapply(2:4, function(j) cbind(models[seq_len(j - 1)], models[j])))
count <- function(a, b, what) sum((ties$model_a == a & ties$model_b == b & ties$choice == what))
tab <- t(apply(pairs, 1, function(p) c(
  count(p[1], p[2], "a") + count(p[2], p[1], "b"),
  count(p[1], p[2], "tie") + count(p[2], p[1], "tie"),
  count(p[1], p[2], "b") + count(p[2], p[1], "a"))))
values <- lapply(seq_len(nrow(pairs)), function(k) rep(c(1, 0, -1), tab[k, ]))
size <- max(lengths(values))
m <- sapply(values, function(v) c(v, rep(NA, size - length(v))))
bt2 <- btmodel(paircomp(m, labels = models), undecided = TRUE)
say("duels", coef(bt2)); say("duels logLik", as.numeric(logLik(bt2)))

va3 <- glmer(r2 ~ mode + (1 | id) + (1 | item), VerbAgg, family = binomial,
             control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5)))
say("VerbAgg mode alone", coef(summary(va3))["modedo", 1:2])
